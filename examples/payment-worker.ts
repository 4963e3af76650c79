/**
 * A payment with a fenced write: takes an amount from an account of the ledger (ledger.ts), under a lock, and sends its fencing
 * token along. Stop it while it asks the bank, pay from the same account with another worker, and let it go on: it still
 * believes that it may write, and the ledger refuses.
 *
 *     node dist/examples/payment-worker.js http://127.0.0.1:8080 7 60          account 7, amount 60
 *     node dist/examples/payment-worker.js http://127.0.0.1:8080 7 70 5000     asks the bank for 5,000 ms
 *
 * Exit code 1 if it was refused. Nodes: LOCKKEEPER_ADDRESSES, host:port with commas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'lockkeeper'

const ADDRESSES = process.env.LOCKKEEPER_ADDRESSES ?? '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'
const REFUSED = 409

const [ledger, account, amount, bankMs = '100'] = process.argv.slice(2)
if (ledger === undefined || account === undefined || amount === undefined)
  throw new Error('usage: payment-worker.js LEDGER ACCOUNT AMOUNT [MS]')

await using keeper = await connect(ADDRESSES, { ttlMs: 2_000, label: `pays ${amount}` })
await using lock = await keeper.lock(`accounts/${account}`, { waitMs: 30_000 })
const url = `${ledger}/accounts/${account}?token=${lock.token}`

// The token goes along with the read as well: from here on, no earlier holder can write.
const before = await fetch(url)
if (before.status === REFUSED) stop(await before.json())
const { balance } = (await before.json()) as { balance: number }
console.log(`token ${lock.token}: account ${account} has ${balance}`)

await askTheBank()
if (balance < Number(amount)) {
  console.log(`token ${lock.token}: not enough for ${amount}`)
} else {
  // lock.assertHeld() here would spare most late workers the way. It would protect nothing: this process can be stopped right
  // behind it. The ledger decides.
  const body = JSON.stringify({ balance: balance - Number(amount) })
  const after = await fetch(url, { method: 'PUT', body })
  if (after.status === REFUSED) stop(await after.json())
  else if (after.ok) console.log(`token ${lock.token}: paid ${amount}, ${balance - Number(amount)} are left`)
  else throw new Error(`the ledger answered ${after.status}: ${await after.text()}`)
}

async function askTheBank(): Promise<void> {
  await sleep(Number(bankMs))
}

function stop(refusal: unknown): void {
  const { fence } = refusal as { fence: number }
  console.log(`token ${lock.token}: refused, token ${fence} has been here; the lock is ${lock.state}`)
  process.exitCode = 1
}
