/**
 * Cron on two hosts: once per period one of them runs the job, whatever their clocks say. If a host dies, the other goes on.
 *
 *     node dist/examples/nightly.js host-a 2000
 *     node dist/examples/nightly.js host-b 2000          on another host, or in another terminal
 *
 * The second argument is the period in milliseconds, a day by default. Nodes: LOCKKEEPER_ADDRESSES, host:port with commas.
 */
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type ScheduledRun } from 'lockkeeper'

const ADDRESSES = process.env.LOCKKEEPER_ADDRESSES ?? '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'
const DAY_MS = 86_400_000

const [host = hostname(), period = String(DAY_MS)] = process.argv.slice(2)
const everyMs = Number(period)

// A host that dies in a run is noticed after the TTL.
const keeper = await connect(ADDRESSES, { ttlMs: 3_000, label: host })
const options = {
  everyMs,
  // A run that hangs is told to end, and does not keep the job from running tomorrow.
  atMostMs: everyMs / 2,
  // If a host dies in a run, another repeats it, but not before what the dead host may have started is over.
  atLeastMs: everyMs / 4,
  onError: (error: unknown) => console.error(`${host}: ${error}`),
}
const schedule = keeper.schedule('nightly', options, writeReport)
console.log(`${host} stands in line`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await schedule.stop()
    await keeper.close()
  })
}

/** The job. `signal` tells it to end: the run was lost, or takes too long. */
async function writeReport({ token, signal }: ScheduledRun): Promise<void> {
  console.log(`${host} begins with token ${token}`)
  await sleep(everyMs / 10, undefined, { signal })
  console.log(`${host} has written the report`)
}
