import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TcpProxy } from '../../scripts/cluster/tcp-proxy.js'
import { parseAddress } from '../../src/platform/address.js'
import { within } from './eventually.js'

const SOON_MS = 5_000
/** Long enough for loopback to deliver what nothing holds back. */
const SILENCE_MS = 100

/** A server that sends back what it is sent, a proxy before it, and a client that has been through once. */
async function echo() {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy = await TcpProxy.listen(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  const client = dial(proxy)
  assert.equal(await say(client, 'hello'), 'hello')
  return {
    proxy,
    client,
    async [Symbol.asyncDispose]() {
      client.destroy()
      await proxy[Symbol.asyncDispose]()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function dial(proxy: TcpProxy): Socket {
  const { host, port } = parseAddress(proxy.address)!
  return connect({ host, port }).on('error', () => {})
}

async function say(client: Socket, text: string): Promise<string> {
  client.write(text)
  return await within(`"${text}" comes back`, SOON_MS, heard(client))
}

async function heard(client: Socket): Promise<string> {
  const [bytes] = await once(client, 'data')
  return bytes.toString()
}

function closed(client: Socket): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()))
}

describe('the proxy that can be cut', () => {
  for (const way of ['there', 'back'] as const) {
    it(`says nothing while cut (${way}), and delivers all when it heals`, async () => {
      await using net = await echo()
      net.proxy.cut(way)
      const late = dial(net.proxy)
      net.client.write('lost?')
      late.write('me too')
      const answers = Promise.all([heard(net.client), heard(late)])
      assert.equal(await Promise.race([answers, sleep(SILENCE_MS, 'silence')]), 'silence')
      net.proxy.heal()
      assert.deepEqual(await within('what was held back arrives', SOON_MS, answers), ['lost?', 'me too'])
      late.destroy()
    })
  }

  it('keeps the end of a connection to itself while cut', async () => {
    await using net = await echo()
    net.proxy.cut()
    const ended = closed(net.client)
    net.client.end()
    assert.equal(await Promise.race([ended, sleep(SILENCE_MS, 'silence')]), 'silence')
    net.proxy.heal()
    await within('the connection ends', SOON_MS, ended)
  })

  it('breaks connections when it refuses, and lets new ones through when it heals', async () => {
    await using net = await echo()
    const broken = closed(net.client)
    net.proxy.refuse()
    await within('the connection breaks', SOON_MS, broken)
    await within('a new one breaks', SOON_MS, closed(dial(net.proxy)))
    net.proxy.heal()
    const again = dial(net.proxy)
    assert.equal(await say(again, 'again'), 'again')
    again.destroy()
  })

  it('delays one way', async () => {
    await using net = await echo()
    net.proxy.delayMs.back = SILENCE_MS
    const startMs = performance.now()
    assert.equal(await say(net.client, 'slow'), 'slow')
    assert.ok(performance.now() - startMs >= SILENCE_MS)
  })
})
