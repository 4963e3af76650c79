import { createHash } from 'node:crypto'
import { Command, InvalidArgumentError } from 'commander'
import { type Result, Simulation } from './simulation.js'

interface Arguments {
  readonly seeds: number
  readonly from: number
  readonly seconds: number
  readonly trace: boolean
}

const program = new Command('simulate')
  .description(
    'Runs whole clusters with their clients over a simulated clock, network and disk, one per seed.',
  )
  .option('--seeds <n>', 'how many', wholeNumber, 100)
  .option('--from <seed>', 'the first', wholeNumber, 1)
  .option('--seconds <t>', 'of trouble per seed, in simulated time; peace follows', wholeNumber, 20)
  .option('--trace', 'print the history of each seed', false)
  .action(simulate)

await program.parseAsync()

async function simulate({ seeds, from, seconds, trace }: Arguments): Promise<void> {
  const startedMs = performance.now()
  const combined = createHash('sha256')
  const totals: Record<string, number> = {}
  let failed = 0
  let simulatedMs = 0
  let seed = from
  process.on('unhandledRejection', (error) => {
    process.stderr.write(`seed ${seed}: a rejection that nobody handles\n`)
    throw error
  })
  for (; seed < from + seeds; seed++) {
    const print = trace ? (line: string) => process.stdout.write(`${line}\n`) : undefined
    const options = { seed, troubleMs: seconds * 1_000 }
    const result = await new Simulation(print === undefined ? options : { ...options, print }).run()
    combined.update(result.hash)
    simulatedMs += result.simulatedMs
    for (const [what, count] of Object.entries(result.counts)) totals[what] = (totals[what] ?? 0) + count
    if (result.breach === undefined) continue
    failed++
    report(result, seconds)
  }
  const wallMs = performance.now() - startedMs
  const all = Object.entries(totals).map(([what, count]) => `${what} ${count}`)
  process.stdout.write(`came to pass: ${all.join(', ')}\n`)
  const speed = Math.round(simulatedMs / wallMs)
  process.stdout.write(`${Math.round(simulatedMs / 1_000)} s simulated, ${speed} times real time\n`)
  process.stdout.write(`hash ${combined.digest('hex').slice(0, 16)}\n`)
  process.stdout.write(`${seeds - failed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
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
