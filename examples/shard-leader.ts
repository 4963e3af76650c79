/**
 * One of several hosts leads a shard and serves it over HTTP; the others send those who ask to it. All see at once who leads.
 *
 *     node dist/examples/shard-leader.js host-a
 *     node dist/examples/shard-leader.js host-b                      on another host, or in another terminal
 *     curl -L http://127.0.0.1:PORT                                  any host: the answer is the leader's
 *     lockkeeper request-release shards/7 --note host-b              hand over to host-b
 *
 * Nodes: LOCKKEEPER_ADDRESSES, host:port with commas.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Candidate, connect, type Leadership } from 'lockkeeper'

const ADDRESSES = process.env.LOCKKEEPER_ADDRESSES ?? '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'
const LOOK_MS = 50

const [host = hostname()] = process.argv.slice(2)
const stopping = new AbortController()
/** What this host holds, and who leads as far as it knows. */
let leadership: Leadership | undefined
let leader: Candidate | undefined

const keeper = await connect(ADDRESSES, { ttlMs: 2_000, label: host })
const election = keeper.election('shards/7')
const server = createServer((_, response) => {
  // By the clock, at this moment: false before anybody else can lead.
  if (leadership?.isLeader) response.end(`${host} serves shard 7 with token ${leadership.token}\n`)
  else if (leader !== undefined && leader.label !== host)
    response.writeHead(307, { location: leader.value }).end()
  else response.writeHead(503, { 'retry-after': '1' }).end('nobody leads shard 7\n')
})
const url = await new Promise<string>((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
})
console.log(`${host} listens at ${url}`)

const unfollow = election.onLeader({
  onNext: (seen) => {
    leader = seen.leader
    console.log(`${host} sees ${leader === undefined ? 'nobody lead' : `${leader.label} lead`}`)
  },
  onError: (error) => console.error(`${host}: ${error}`),
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())

while (!stopping.signal.aborted) {
  try {
    leadership = await election.campaign(url, { signal: stopping.signal })
    await lead(leadership)
  } catch (error) {
    if (stopping.signal.aborted) break
    console.error(`${host}: ${error}`)
    await sleep(1_000)
  }
}
unfollow()
server.close()
await keeper.close()

/** Until it is lost, somebody asks for it, or this host stops. */
async function lead(leadership: Leadership): Promise<void> {
  let successor: string | undefined
  leadership.onReleaseRequested((note) => {
    successor = note
  })
  while (leadership.isLeader && successor === undefined && !stopping.signal.aborted) await sleep(LOOK_MS)
  const heir = (await election.candidates()).find(({ label }) => label === successor)
  if (heir === undefined) await leadership.resign()
  // If it has left meanwhile, whoever came first is next.
  else await leadership.handOver(heir).catch(() => leadership.resign())
}
