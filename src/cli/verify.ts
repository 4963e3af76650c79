import { type SoundDisk, verifyDisk } from '../verification/verify-disk.js'
import { CliError, EXIT } from './exit-codes.js'

/**
 * Checks the data directory of a stopped node and prints what it found: lines, or one JSON object. Resolves with exit code
 * 0; rejects with a `CliError` if anything is damaged, or nothing could be checked.
 */
export async function verify(directory: string, json: boolean): Promise<number> {
  const finding = await verifyDisk(directory)
  if (finding.kind === 'unchecked')
    throw new CliError(EXIT.notChecked, `${directory} was not checked: ${finding.reason}`)
  if (finding.kind === 'damaged') {
    if (json) print(JSON.stringify({ sound: false, fault: finding.fault }))
    throw new CliError(EXIT.damaged, `${directory} is damaged: ${finding.fault}`)
  }
  print(json ? JSON.stringify(soundJson(finding)) : soundText(finding))
  return 0
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function soundText(disk: SoundDisk): string {
  const { checkpoint, log } = disk
  const lines = [
    ['node', `${disk.nodeId} of cluster ${disk.clusterId}`],
    ['term', disk.term],
    [
      'checkpoint',
      checkpoint
        ? `of entry ${checkpoint.index} of term ${checkpoint.term}, ${checkpoint.records} records`
        : 'none',
    ],
    ['log', log ? `from entry ${log.from} to ${log.to}` : 'empty'],
    ['applied', `to entry ${disk.applied}, the last one, committed or not`],
    ['sessions', disk.sessions],
    ['names', disk.names],
    ['next token', disk.nextToken],
    ['digest', disk.digest],
  ] as const
  const figures = lines.map(([title, figure]) => `${title.padEnd(12)}${figure}`)
  return ['Sound: everything is as it was written.', '', ...figures].join('\n')
}

export function soundJson({ kind: _, clusterId, nodeId, checkpoint, log, ...figures }: SoundDisk): object {
  return {
    sound: true,
    cluster: clusterId,
    node: nodeId,
    checkpoint: checkpoint ?? null,
    log: log ?? null,
    ...figures,
  }
}
