import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { LocalCluster } from '../cluster/local-cluster.js'
import { countOption } from './count-option.js'
import { measure } from './load.js'

interface Options {
  readonly workers: number
  readonly connections: number
  readonly seconds: number
  readonly nodes: number
  readonly json?: string
}

const WARM_UP_MS = 3_000

const program = new Command('npm run bench --')
  .description(
    'Starts a cluster of real processes on this machine, with fsync, and measures how many times a second its clients\n' +
      'take and release a lock. Everything runs on the same processors: the nodes, and the clients.',
  )
  .addOption(countOption('--workers <n>', 'how many take and release at a time, each its own lock', 256))
  .addOption(countOption('--connections <n>', 'client sessions that the workers share', 1))
  .addOption(
    countOption('--seconds <n>', `how long to measure, after ${WARM_UP_MS / 1_000} s to warm up`, 10),
  )
  .addOption(countOption('--nodes <n>', 'nodes of the cluster', 3))
  .option('--json <file>', 'also write the row to this file, as JSON')
  .action(bench)

await program.parseAsync()

async function bench({ workers, connections, seconds, nodes, json }: Options): Promise<void> {
  await using cluster = await LocalCluster.start({ nodes })
  const load = { workers, connections, warmUpMs: WARM_UP_MS, measuredMs: seconds * 1_000 }
  const row = { workers, connections, nodes, ...(await measure(cluster.addresses, load)) }
  console.table([row])
  if (json !== undefined) await writeFile(json, `${JSON.stringify([row], undefined, 2)}\n`)
}
