import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { Command, InvalidArgumentError } from 'commander'
import type { Orders } from './seed-worker.js'
import type { Result } from './simulation.js'

interface Arguments {
  readonly seeds: number
  readonly from: number
  readonly seconds: number
  readonly trace: boolean
}

const program = new Command('simulate')
  .description(
    'Runs whole clusters with their clients over a simulated clock, network and disk, one per seed; as many at a time as\n' +
      'there are processors.',
  )
  .option('--seeds <n>', 'how many', wholeNumber, 100)
  .option('--from <seed>', 'the first', wholeNumber, 1)
  .option('--seconds <t>', 'of trouble per seed, in simulated time; peace follows', wholeNumber, 20)
  .option('--trace', 'print the history of each seed, one after the other', false)
  .action(simulate)

await program.parseAsync()

async function simulate({ seeds, from, seconds, trace }: Arguments): Promise<void> {
  const startedMs = performance.now()
  const all = Array.from({ length: seeds }, (_, k) => from + k)
  const threads = trace ? 1 : Math.min(availableParallelism(), seeds)
  const results = await runAll(all, threads, { troubleMs: seconds * 1_000, trace }, (result) => {
    if (result.breach !== undefined) report(result, seconds)
  })
  const wallMs = performance.now() - startedMs
  const combined = createHash('sha256')
  const totals: Record<string, number> = {}
  let simulatedMs = 0
  for (const result of results) {
    combined.update(result.hash)
    simulatedMs += result.simulatedMs
    for (const [what, count] of Object.entries(result.counts)) totals[what] = (totals[what] ?? 0) + count
  }
  const failed = results.filter(({ breach }) => breach !== undefined).length
  const counts = Object.entries(totals).map(([what, count]) => `${what} ${count}`)
  process.stdout.write(`came to pass: ${counts.join(', ')}\n`)
  const speed = `${Math.round(simulatedMs / wallMs)} times real time with ${threads} threads`
  process.stdout.write(`${Math.round(simulatedMs / 1_000)} s simulated, ${speed}\n`)
  process.stdout.write(`hash ${combined.digest('hex').slice(0, 16)}\n`)
  process.stdout.write(`${seeds - failed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}

/** Resolves with what the seeds came to, in their order. Rejects with what a thread dies of. */
async function runAll(
  seeds: readonly number[],
  threads: number,
  orders: Orders,
  onResult: (result: Result) => void,
): Promise<Result[]> {
  const waiting = [...seeds].reverse()
  const results = new Map<number, Result>()
  const runSome = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('./seed-worker.js', import.meta.url), { workerData: orders })
      let seed: number | undefined
      const next = (): void => {
        seed = waiting.pop()
        if (seed === undefined) void worker.terminate().then(() => resolve())
        else worker.postMessage(seed)
      }
      worker.on('error', (cause) => reject(new Error(`the thread of seed ${seed} has died`, { cause })))
      worker.on('message', (result: Result) => {
        results.set(result.seed, result)
        onResult(result)
        next()
      })
      next()
    })
  await Promise.all(Array.from({ length: threads }, runSome))
  return seeds.map((seed) => results.get(seed)!)
}

function report({ seed, hash, breach }: Result, seconds: number): void {
  process.stdout.write(`seed ${seed} (hash ${hash}) at ${breach?.atMs.toFixed(3)} ms: ${breach?.promise}\n`)
  process.stdout.write(`  ${breach?.facts}\n`)
  process.stdout.write(
    `  replay: npm run simulate -- --seeds 1 --from ${seed} --seconds ${seconds} --trace\n`,
  )
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new InvalidArgumentError('give a whole number from 1 on')
}
