import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the range from which the system takes the ports of outgoing connections. */
const FIRST_PORT = 10_000
const LAST_PORT = 30_000
const HOST = '127.0.0.1'

/** `count` addresses 'host:port' of this machine that nobody listens at, in no particular order. */
export async function freeAddresses(count: number): Promise<string[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(FIRST_PORT, LAST_PORT)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports].map((port) => `${HOST}:${port}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, HOST, () => server.close(() => resolve(true)))
  })
}
