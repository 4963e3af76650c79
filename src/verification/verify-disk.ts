import type { LogIndex, Term } from '../../raft/index.js'
import { LockedDirectoryError, UnusableDirectoryError } from '../leveldb/errors.js'
import { checkMachine } from '../machine/inspection/invariants.js'
import type { Machine } from '../machine/machine.js'
import { openNodeDisk, openView, ownerOf } from '../node-disk/index.js'
import { commandsOf, decodePayload, PayloadError } from '../replica/payload.js'
import { DamagedLogError, DamagedRecordsError, type RecoveredDisk } from '../replica/ports.js'
import { MachineRestorer } from '../replica/record-codec.js'

/** What there is in the data directory of a node that is stopped. */
export interface SoundDisk {
  readonly kind: 'sound'
  readonly clusterId: string
  readonly nodeId: number
  readonly term: Term
  readonly checkpoint: { readonly index: LogIndex; readonly term: Term; readonly records: number } | undefined
  /** Undefined: there are no entries behind the checkpoint's beginning. */
  readonly log: { readonly from: LogIndex; readonly to: LogIndex } | undefined
  /** The figures below are as of this entry, the last one. The end of the log may not be committed. */
  readonly applied: LogIndex
  readonly sessions: number
  readonly names: number
  readonly nextToken: number
  /** Two nodes that have applied the same entries have the same. */
  readonly digest: number
}

export type Finding =
  | SoundDisk
  /** Something is lost or altered. The fault ends with what to do. */
  | { readonly kind: 'damaged'; readonly fault: string }
  /** Nothing could be found out: the directory is in use, can't be read, is no node's or of a later version. */
  | { readonly kind: 'unchecked'; readonly reason: string }

/**
 * Reads all that a stopped node keeps in `directory`, checks every checksum, replays its log and checks the machine that it
 * leads to. Changes nothing there; a node that is started meanwhile is told that the directory is in use.
 */
export async function verifyDisk(directory: string): Promise<Finding> {
  try {
    const view = await openView(directory)
    try {
      return await verifyView(view.directory)
    } finally {
      await view.close()
    }
  } catch (error) {
    if (DAMAGE.some((kind) => error instanceof kind)) return { kind: 'damaged', fault: messageOf(error) }
    if (OBSTACLES.some((kind) => error instanceof kind))
      return { kind: 'unchecked', reason: messageOf(error) }
    throw error
  }
}

/** The files are whole, and what is in them makes no sense. */
class BrokenMachineError extends Error {
  override readonly name = 'BrokenMachineError'

  constructor(cause: unknown) {
    const remedy =
      'this is a bug: keep the directory for a report, and restore this node from its peers by starting it with an empty data directory under a new id'
    super(
      `the files are as they were written, and the machine in them is broken (${messageOf(cause)}); ${remedy}`,
      {
        cause,
      },
    )
  }
}

const DAMAGE = [DamagedLogError, DamagedRecordsError, BrokenMachineError]
/** The last two: of a later version. */
const OBSTACLES = [LockedDirectoryError, UnusableDirectoryError, PayloadError, RangeError]

async function verifyView(directory: string): Promise<Finding> {
  const owner = await ownerOf(directory)
  if (owner === undefined) {
    return { kind: 'unchecked', reason: 'no node has kept anything in this directory: check the path' }
  }
  const disk = await openNodeDisk(directory, owner)
  try {
    const restorer = new MachineRestorer()
    let records = 0
    const recovered = await disk.load((batch) => {
      records += batch.length
      restorer.take(batch)
    })
    const machine = restorer.finish()
    replay(machine, recovered)
    return { kind: 'sound', ...owner, ...diskFigures(recovered, records), ...machineFigures(machine) }
  } finally {
    await disk.close()
  }
}

/** A RangeError or a `PayloadError` is of a later version. */
function replay(machine: Machine, { entries, checkpoint }: RecoveredDisk): void {
  const tail = entries.filter(({ index }) => index > (checkpoint?.index ?? 0))
  const batches = tail
    .filter(({ payload, config }) => payload.length > 0 && config === undefined)
    .map(({ payload }) => decodePayload(payload))
  try {
    checkMachine(machine)
    for (const { at, chunks } of batches) machine.apply({ at, commands: commandsOf(chunks, machine.level) })
    checkMachine(machine)
  } catch (error) {
    throw new BrokenMachineError(error)
  }
}

function diskFigures({ hardState, entries, checkpoint }: RecoveredDisk, records: number) {
  const [from, to] = [entries[0]?.index, entries.at(-1)?.index]
  return {
    term: hardState.term,
    checkpoint: checkpoint && { index: checkpoint.index, term: checkpoint.term, records },
    log: from === undefined || to === undefined ? undefined : { from, to },
    applied: to ?? checkpoint?.index ?? 0,
  }
}

function machineFigures({ sessions, claims, digest }: Machine) {
  return { sessions: sessions.size, names: claims.queues.size, nextToken: claims.nextToken, digest }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
