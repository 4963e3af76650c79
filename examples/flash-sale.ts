/**
 * A flash sale: one ticket, 10,000 buyers at once over four connections. They are served in order of arrival; who is first and
 * has a card that works gets the ticket, and all others are told who did. Nobody polls.
 *
 *     node dist/examples/flash-sale.js ticket-1
 *
 * Run it again with the same ticket: all are told that it was sold. Nodes: LOCKKEEPER_ADDRESSES, host:port with commas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'lockkeeper'

const ADDRESSES = process.env.LOCKKEEPER_ADDRESSES ?? '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'
const BUYERS = 10_000
const CONNECTIONS = 4
/** The cards of the first are not covered. */
const DECLINED = 12
const PAYMENT_MS = 20
const KEEP_MS = 3_600_000

interface Sale {
  readonly buyer: number
  readonly token: number
}

class CardDeclined extends Error {}

const [ticket = 'ticket-1'] = process.argv.slice(2)
const keepers = await Promise.all(
  Array.from({ length: CONNECTIONS }, (_, k) => connect(ADDRESSES, { label: `shop window ${k}` })),
)
const sinceMs = performance.now()
const told = await Promise.all(Array.from({ length: BUYERS }, (_, buyer) => buy(buyer)))
const seconds = ((performance.now() - sinceMs) / 1_000).toFixed(1)

const sales = told.filter((sale) => sale !== undefined)
const owners = new Set(sales.map(({ buyer }) => buyer))
const others = sales.length - owners.size
console.log(
  `${ticket} belongs to ${[...owners].join(' and ')}; ${others} others were told so, in ${seconds} s`,
)
await Promise.all(keepers.map((keeper) => keeper.close()))

/** Resolves with who has the ticket; with nothing if it was this buyer's turn, and the card did not work. */
async function buy(buyer: number): Promise<Sale | undefined> {
  const keeper = keepers[buyer % CONNECTIONS]!
  try {
    return await keeper.once(ticket, ({ token }) => pay(buyer, token), { ttlMs: KEEP_MS })
  } catch (error) {
    if (error instanceof CardDeclined) return undefined
    throw error
  }
}

/** Only for the buyer whose turn it is. If this program died here, the next in line would have a greater token. */
async function pay(buyer: number, token: number): Promise<Sale> {
  await sleep(PAYMENT_MS)
  if (buyer < DECLINED) {
    console.log(`buyer ${buyer}, token ${token}: card declined, next please`)
    throw new CardDeclined()
  }
  console.log(`buyer ${buyer}, token ${token}: paid`)
  return { buyer, token }
}
