import { existsSync } from 'node:fs'
import { exitCodeOfSignal } from '../../src/cli/exit-codes.js'
import { messageOf } from '../../src/cli/failures.js'
import { onEndSignal } from '../../src/cli/signals.js'
import { LocalCluster } from '../cluster/local-cluster.js'
import { withCast } from './cast.js'
import { showWhatToTry } from './keep.js'
import { comeBack, freezeHolder, killLeader } from './scenes.js'
import { confirm, print, Stage, style } from './stage.js'

const FAILED = 1
const LOG_LINES = 6

const keep = process.argv[2] === '--keep'
const interruption = new AbortController()
onEndSignal((signal) => interruption.abort(signal))
// `scripts/quickstart | head` has seen enough.
process.stdout.on('error', () => interruption.abort('SIGPIPE'))
process.exit(await run())

async function run(): Promise<number> {
  const stage = new Stage(interruption.signal)
  const cluster = await LocalCluster.create()
  let exitCode = 0
  try {
    await tell(stage, cluster)
    if (keep) await untilInterrupted(stage, cluster)
  } catch (error) {
    if (interruption.signal.aborted) exitCode = exitCodeOfSignal(interruption.signal.reason)
    else exitCode = explain(error, cluster)
  } finally {
    await cluster.stop()
  }
  const isGone = cluster.nodes.every(({ isRunning }) => !isRunning) && !existsSync(cluster.directory)
  confirm(isGone, 'nothing is left', cluster.directory)
  // The terminal has written "^C" where we would begin.
  if (interruption.signal.aborted) print('')
  stage.tell('Everything is stopped, and nothing is left behind.')
  return exitCode
}

async function tell(stage: Stage, cluster: LocalCluster): Promise<void> {
  print(style('bold', 'Lockkeeper: three nodes, three workers, and one lock'))
  await withCast(stage, cluster, async (cast) => {
    const bensToken = await freezeHolder(stage, cast)
    const killed = await killLeader(stage, cast, bensToken)
    await comeBack(stage, cast, killed)
  })
}

async function untilInterrupted(stage: Stage, cluster: LocalCluster): Promise<void> {
  showWhatToTry(await stage.within('there is a leader', () => cluster.leader()), cluster)
  const { signal } = interruption
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

/** On stderr. Returns the exit code. */
function explain(error: unknown, { nodes }: LocalCluster): number {
  const logs = nodes.map((node) => {
    const lines = node.output().trimEnd().split('\n').slice(-LOG_LINES)
    return `\nThe end of the log of node ${node.id}:\n${lines.join('\n')}`
  })
  process.stderr.write(`\n${messageOf(error)}\n${logs.join('\n')}\n`)
  return FAILED
}
