/**
 * Calls an API that serves five at a time (partner-api.ts), from as many processes and hosts as you like: a semaphore of five
 * permits lets five through, in order of arrival, and gives each a seat that nobody else has.
 *
 *     node dist/examples/partner-client.js http://127.0.0.1:8081 20          20 calls
 *     node dist/examples/partner-client.js http://127.0.0.1:8081 20          at the same time, in another terminal
 *
 * Nodes: LOCKKEEPER_ADDRESSES, host:port with commas.
 */
import { connect } from 'lockkeeper'

const ADDRESSES = process.env.LOCKKEEPER_ADDRESSES ?? '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'
const PLACES = 5
const TOO_MANY = 429

const [api, calls = '20'] = process.argv.slice(2)
if (api === undefined) throw new Error('usage: partner-client.js API [CALLS]')

// If this process dies, its permits are free again after the TTL.
await using keeper = await connect(ADDRESSES, { ttlMs: 2_000, label: 'partner client' })
const semaphore = keeper.semaphore('partner-api', { capacity: PLACES })
console.log(`calls ${api}`)
const statuses = await Promise.all(Array.from({ length: Number(calls) }, call))
const refused = statuses.filter((status) => status === TOO_MANY).length
console.log(`${statuses.length - refused} calls answered, ${refused} refused`)

/** Resolves with the status of the answer. If the permit is lost, another may have the seat: the call is given up. */
async function call(): Promise<number> {
  await using permit = await semaphore.acquire()
  const [place] = permit.seats
  const { status } = await fetch(`${api}/work?place=${place}`, { signal: permit.signal })
  return status
}
