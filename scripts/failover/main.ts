import { writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { Command, Option } from 'commander'
import { exitCodeOfSignal } from '../../src/cli/exit-codes.js'
import { onEndSignal } from '../../src/cli/signals.js'
import { countOption } from '../bench/count-option.js'
import { quantile } from '../bench/quantile.js'
import { type Arena, openCut, openFrozen, openKilled, openStopped } from './arena.js'
import { type Trial, tryOnce } from './trial.js'

interface Options {
  readonly trials: number
  readonly how?: How
  readonly json?: string
}

interface Accident {
  readonly open: () => Promise<Arena>
  readonly measured: string
  readonly figureMs: (trial: Trial) => number
  readonly aim: string
}

type How = 'killed' | 'frozen' | 'cut' | 'stopped'
const firstGrant = {
  measured: 'first grant',
  figureMs: ({ firstGrantMs }: Trial) => firstGrantMs,
} as const
const ACCIDENTS: Readonly<Record<How, Accident>> = {
  killed: { open: openKilled, ...firstGrant, aim: 'p50 ≤ 250, p99 ≤ 1000' },
  frozen: { open: openFrozen, ...firstGrant, aim: 'p50 ≤ 1200, p99 ≤ 2000' },
  cut: { open: openCut, ...firstGrant, aim: 'p50 ≤ 1200, p99 ≤ 2000' },
  stopped: {
    open: openStopped,
    measured: 'added latency',
    figureMs: ({ addedMs }) => addedMs,
    aim: 'p99 ≤ 250, none failed',
  },
}
const HOWS = Object.keys(ACCIDENTS) as How[]

const program = new Command('npm run failover --')
  .description(
    'Starts clusters of three real processes on this machine, with fsync, and measures what it costs their clients that\n' +
      'the leader is killed (kill -9), frozen (SIGSTOP), cut off (from its peers and clients, silently) or stopped in\n' +
      'order (SIGTERM). Three clients, all attached to the leader, take and release locks all the time.',
  )
  .addOption(countOption('--trials <n>', 'of each kind; the figures aimed at are over 50', 50))
  .addOption(new Option('--how <how>', 'only this kind').choices(HOWS))
  .option('--json <file>', 'also write the rows, with every trial, to this file')
  .addHelpText(
    'after',
    `
All in milliseconds, as the clients see them:
  first grant    from the accident to the first grant of a lock that was asked for after it; "last client" is the same
                 at the client that had to wait longest for its own
  added latency  of the slowest acquire or release of an uncontended name that was under way in the second after the
                 signal, beyond the median of those in the second before
p50 and p99 are nearest ranks: with fewer than 100 trials p99 is the worst. It takes some four seconds a trial.`,
  )
  .action(measure)

const interruption = new AbortController()
onEndSignal((signal) => interruption.abort(signal))
try {
  await program.parseAsync()
} catch (error) {
  if (!interruption.signal.aborted) throw error
  process.exitCode = exitCodeOfSignal(interruption.signal.reason)
}

async function measure({ trials, how, json }: Options): Promise<void> {
  const rows = []
  for (const each of how === undefined ? HOWS : [how]) rows.push(await row(each, trials))
  console.table(rows.map(({ eachMs: _, ...shown }) => shown))
  console.log(`load: of the last minute, on ${availableParallelism()} processors`)
  if (json !== undefined) await writeFile(json, `${JSON.stringify(rows, undefined, 2)}\n`)
}

async function row(how: How, count: number) {
  const { open, measured, figureMs, aim } = ACCIDENTS[how]
  await using arena = await open()
  const trials: Trial[] = []
  while (trials.length < count) {
    interruption.signal.throwIfAborted()
    const trial = await tryOnce(arena, trials.length, interruption.signal)
    for (const failure of trial.failures) console.error(`${how}: ${failure}`)
    trials.push(trial)
    if (process.stderr.isTTY) process.stderr.write(`\r${how}: ${trials.length} of ${count}\r`)
  }
  const eachMs = trials.map(figureMs).map(Math.round)
  const ascending = [...eachMs].sort((a, b) => a - b)
  return {
    leader: how,
    measured,
    trials: count,
    p50: quantile(ascending, 0.5),
    p99: quantile(ascending, 0.99),
    max: ascending.at(-1),
    aim,
    'last client': Math.round(Math.max(...trials.map(({ lastGrantMs }) => lastGrantMs))),
    failed: trials.flatMap(({ failures }) => failures).length,
    load: loadavg()[0]!.toFixed(1),
    eachMs,
  }
}
