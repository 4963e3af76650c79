/**
 * What a lock protects: accounts on disk, behind HTTP. The ledger asks no lock service anything. It keeps, with each account,
 * the greatest fencing token it has seen there, and refuses a smaller one, also after a restart.
 *
 *     node dist/examples/ledger.js ./ledger 8080
 *
 *     GET /accounts/7?token=12                      {"balance":100}
 *     PUT /accounts/7?token=12   {"balance":30}     {"balance":30}, or 409 {"fence":13}
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Level } from 'level'

interface Account {
  readonly balance: number
  /** The greatest token seen. */
  readonly fence: number
}

const UNTOUCHED: Account = { balance: 100, fence: 0 }

const [directory = './ledger', port = '8080'] = process.argv.slice(2)
const accounts = new Level<string, Account>(directory, { valueEncoding: 'json' })
await accounts.open()

const server = createServer(async (request, response) => {
  try {
    const { pathname, searchParams } = new URL(request.url!, 'http://ledger')
    const token = Number(searchParams.get('token'))
    if (!Number.isSafeInteger(token) || token < 1) {
      response.writeHead(400).end('the token is missing\n')
      return
    }
    const balance = request.method === 'PUT' ? await balanceIn(request) : undefined
    const { balance: left, fence } = await inTurn(() => access(pathname, token, balance))
    if (fence > token) response.writeHead(409).end(JSON.stringify({ fence }))
    else response.end(JSON.stringify({ balance: left }))
  } catch (error) {
    response.writeHead(500).end(`${error}\n`)
  }
})
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`the ledger is open at http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

/** Raises the fence, and writes the balance if there is one. A smaller token than the fence changes nothing. */
async function access(id: string, token: number, balance: number | undefined): Promise<Account> {
  const account = (await accounts.get(id)) ?? UNTOUCHED
  if (token < account.fence) return account
  const next = { balance: balance ?? account.balance, fence: token }
  // On disk before the answer: what was refused once stays refused.
  if (next.balance !== account.balance || next.fence !== account.fence)
    await accounts.put(id, next, { sync: true })
  return next
}

let last: Promise<unknown> = Promise.resolve()

/** One after the other: between looking at a fence and raising it, nobody else may write. */
function inTurn<T>(act: () => Promise<T>): Promise<T> {
  const turn = last.then(act)
  last = turn.catch(() => undefined)
  return turn
}

async function balanceIn(request: IncomingMessage): Promise<number> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { balance } = JSON.parse(Buffer.concat(chunks).toString()) as Account
  if (!Number.isSafeInteger(balance)) throw new Error('the balance must be a whole number')
  return balance
}
