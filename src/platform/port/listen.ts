import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, isIP, type Server, type Socket } from 'node:net'

/** An address can't be listened at. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/** A peer that vanished without a word is noticed by TCP after this and about 10 probes. */
const TCP_KEEPALIVE_MS = 30_000

/**
 * Listens at 'host:port' for `whom`: at every address of the host, and at least at one. Each connection that comes goes to
 * `onConnection`. Rejects with a `ListenError`; then nothing listens.
 */
export async function listenAt(
  address: string,
  whom: string,
  onConnection: (socket: Socket) => void,
): Promise<readonly Server[]> {
  const servers: Server[] = []
  const failures: NodeJS.ErrnoException[] = []
  const [host, port] = split(address)
  for (const ip of await addressesOf(host, address, whom)) {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: TCP_KEEPALIVE_MS })
    server.on('connection', onConnection)
    try {
      await once(server.listen({ host: ip, port }), 'listening')
      servers.push(server)
    } catch (error) {
      failures.push(error as NodeJS.ErrnoException)
    }
  }
  const inUse = failures.find(({ code }) => code === 'EADDRINUSE')
  const failure = inUse ?? (servers.length === 0 ? failures[0] : undefined)
  if (failure === undefined) return servers
  for (const server of servers) server.close()
  throw listenError(address, whom, failure)
}

function split(address: string): readonly [host: string, port: number] {
  const colon = address.lastIndexOf(':')
  return [address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), Number(address.slice(colon + 1))]
}

async function addressesOf(host: string, address: string, whom: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  try {
    const found = await lookup(host, { all: true })
    return [...new Set(found.map(({ address: ip }) => ip))]
  } catch (error) {
    throw listenError(address, whom, error as Error)
  }
}

function listenError(address: string, whom: string, cause: NodeJS.ErrnoException): ListenError {
  const remedy =
    cause.code === 'EADDRINUSE'
      ? 'another process has it: stop that process, or choose another port'
      : 'check host and port in the configuration'
  return new ListenError(`can't listen for ${whom} at ${address} (${cause.message}): ${remedy}`, { cause })
}
