import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { LocalCluster } from '../cluster/local-cluster.js'
import { checkpointTables, startWatched } from './checkpoints.js'
import { countOption } from './count-option.js'
import { holdLocks } from './held-locks.js'
import { figuresOf, ownLocks, run, withKeepers } from './load.js'

interface Options {
  readonly workers: number
  readonly connections: number
  readonly seconds: number
  readonly nodes: number
  readonly held?: number
  readonly json?: string
}

const WARM_UP_MS = 3_000
/** Of a session; its limit is a little higher. */
const CLAIMS_MAX = 125_000

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
  .addOption(
    countOption(
      '--held <n>',
      'hold so many locks; a cycle is then to release one of them and take it again, each in its turn. Shows what\ncheckpoints do to the nodes meanwhile',
    ),
  )
  .option('--json <file>', 'also write the row to this file, as JSON')
  .action(bench)

await program.parseAsync()

async function bench(options: Options): Promise<void> {
  const { held, json } = options
  const row = held === undefined ? await benchCycles(options) : await benchCheckpoints(options, held)
  if (json !== undefined) await writeFile(json, `${JSON.stringify([row], undefined, 2)}\n`)
}

async function benchCycles({ workers, connections, seconds, nodes }: Options) {
  await using cluster = await LocalCluster.start({ nodes })
  const load = { workers, warmUpMs: WARM_UP_MS, measuredMs: seconds * 1_000 }
  const done = await withKeepers(cluster.addresses, connections, (keepers) => run(load, ownLocks(keepers)))
  const row = { workers, connections, nodes, ...figuresOf(done, load) }
  console.table([row])
  return row
}

async function benchCheckpoints({ workers, connections, seconds, nodes }: Options, held: number) {
  await using cluster = await LocalCluster.create({ nodes, logLevel: 'debug' })
  await startWatched(cluster)
  const load = { workers, warmUpMs: WARM_UP_MS, measuredMs: seconds * 1_000 }
  const sessions = Math.max(connections, Math.ceil(held / CLAIMS_MAX))
  return await withKeepers(cluster.addresses, sessions, async (keepers) => {
    const cycle = await holdLocks(keepers, held)
    const done = await run(load, () => cycle)
    const tables = await checkpointTables(cluster, done)
    const row = { held, workers, connections: sessions, nodes, ...figuresOf(done, load), ...tables.cycles }
    console.table([row])
    console.table(tables.nodes)
    return { ...row, nodes: tables.nodes }
  })
}
