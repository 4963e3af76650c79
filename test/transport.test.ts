import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import {
  Client,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type StatusObject,
  status,
} from '@grpc/grpc-js'
import type { Message, NodeId } from '../raft/index.js'
import { systemClock } from '../src/platform/clock.js'
import { ListenError } from '../src/platform/port/index.js'
import type { Clock, PeerItem } from '../src/replica/ports.js'
import { encodeItems } from '../src/transport/codec.js'
import { pack } from '../src/transport/fields.js'
import { encodeHello, encodeWelcome } from '../src/transport/hello.js'
import { BUFFER_BYTES_MAX, DRAIN_MS, FRAME_BYTES, HELLO_MS } from '../src/transport/limits.js'
import { CHANNEL_OPTIONS, CLIENT_CREDENTIALS, STREAM } from '../src/transport/service.js'
import { addressesFor, commit, Station, stopStations } from './transport-station.js'

/** Everything here goes over real loopback sockets; a test waits for events, and for nothing else. */
const TIMEOUT = { timeout: 20_000 }

const closing: (() => void)[] = []

afterEach(async () => {
  await stopStations()
  for (const close of closing.splice(0)) close()
})

async function stations(count: number): Promise<Station[]> {
  const addresses = await addressesFor(count)
  const all = [...addresses.keys()].map((id) => new Station(id, addresses))
  await Promise.all(all.map((station) => station.start()))
  const others = (k: number) => [...addresses.keys()].filter((id) => id !== k + 1)
  await Promise.all(all.flatMap((station, k) => others(k).map((id) => station.connectedTo(id))))
  return all
}

function forward(bytes: number, first = 1): PeerItem {
  return {
    kind: 'forward',
    chunk: { origin: 1, first, count: 1, commands: new Uint8Array(bytes).fill(first) },
  }
}

/** Of one who names no address: the nodes dial those that they know. */
function hello(clusterId: string, from: NodeId, to: NodeId, configIndex = 0, address = ''): Buffer {
  const told = { level: 1, disk: from, lastIndex: 0, incarnation: 0 }
  return encodeHello({ clusterId, from, to, address, configIndex, ...told })
}

/** A client that knows the protocol and no manners. */
function rawStream(address: string, ...frames: Buffer[]) {
  const client = new Client(address, CLIENT_CREDENTIALS, CHANNEL_OPTIONS)
  closing.push(() => client.close())
  const stream = client.makeBidiStreamRequest(
    STREAM.path,
    STREAM.requestSerialize,
    STREAM.responseDeserialize,
    new Metadata(),
  )
  const ended = new Promise<StatusObject>((resolve) => stream.on('status', resolve))
  const welcomed = once(stream, 'data')
  welcomed.catch(() => {})
  stream.on('error', () => {})
  for (const frame of frames) stream.write(frame)
  return { stream, ended, welcomed }
}

describe('the transport', TIMEOUT, () => {
  it("delivers in order, both ways at once, with the sender's name", async () => {
    const [one, two] = (await stations(2)) as [Station, Station]
    for (let n = 0; n < 3_000; n++) {
      one.transport.send(2, commit(n))
      two.transport.send(1, commit(10_000 + n))
      if (n % 100 === 0) await new Promise(setImmediate)
    }
    await Promise.all([
      one.until(() => one.items.length === 3_000),
      two.until(() => two.items.length === 3_000),
    ])
    assert.deepEqual(
      two.items,
      Array.from({ length: 3_000 }, (_, n) => ({ from: 1, item: commit(n) })),
    )
    assert.deepEqual(
      one.items,
      Array.from({ length: 3_000 }, (_, n) => ({ from: 2, item: commit(10_000 + n) })),
    )
  })

  it('keeps three nodes connected, each with each', async () => {
    const all = await stations(3)
    all[0]!.transport.send(2, commit(2))
    all[0]!.transport.send(3, commit(3))
    await Promise.all([
      all[1]!.until(() => all[1]!.items.length > 0),
      all[2]!.until(() => all[2]!.items.length > 0),
    ])
    assert.deepEqual(all[2]!.items, [{ from: 1, item: commit(3) }])
    assert.deepEqual([...all[1]!.transport.connected()], [1, 3])
  })

  it('splits what one turn brings into frames, and takes an item larger than a frame', async () => {
    const [one, two] = (await stations(2)) as [Station, Station]
    const message: Message = {
      kind: 'append',
      term: 3,
      prevIndex: 9,
      prevTerm: 2,
      commit: 9,
      round: 4,
      entries: [1, 2, 3].map((k) => ({ index: 9 + k, term: 3, payload: new Uint8Array(1_500_000).fill(k) })),
    }
    const sent: PeerItem[] = [
      { kind: 'raft', message },
      ...Array.from({ length: 20 }, (_, k) => forward(300_000, k + 1)),
    ]
    for (const item of sent) one.transport.send(2, item)
    await two.until(() => two.items.length === sent.length)
    assert.deepEqual(
      two.items.map(({ item }) => item),
      sent,
    )
  })

  it('drops what is for nobody: an unknown node, itself, a peer that is not there', async () => {
    const station = new Station(1, await addressesFor(2))
    await station.start()
    for (const to of [1, 2, 9]) station.transport.send(to, commit(1))
    assert.deepEqual([...station.transport.connected()], [])
    assert.deepEqual(station.items, [])
  })

  it('says which port is taken, and what to do', async () => {
    const addresses = await addressesFor(1)
    await new Station(1, addresses).start()
    await assert.rejects(new Station(1, addresses).start(), (error) => {
      assert.ok(error instanceof ListenError)
      assert.match(
        error.message,
        new RegExp(`${addresses.get(1)}.*stop that process, or choose another port`),
      )
      return true
    })
  })

  it('delivers nothing and reports nothing after it was stopped', async () => {
    const [one, two] = (await stations(2)) as [Station, Station]
    const before = [...one.events]
    await one.transport.stop()
    await two.until(() => two.events.at(-1) === 'disconnected 1')
    assert.deepEqual(one.events, before)
    assert.deepEqual([...one.transport.connected()], [])
  })
})

describe('a stranger', TIMEOUT, () => {
  const strangers: [string, Buffer, status, RegExp][] = [
    [
      'of another cluster',
      hello('green', 2, 1),
      status.FAILED_PRECONDITION,
      /check clusterId and peer addresses/,
    ],
    [
      'of another version',
      pack([7, 'blue', 2, 1]),
      status.FAILED_PRECONDITION,
      /run versions that are compatible/,
    ],
    [
      'with an unknown id',
      hello('blue', 9, 1),
      status.FAILED_PRECONDITION,
      /no member as far as node 1 knows/,
    ],
    ['with our own id', hello('blue', 1, 1), status.FAILED_PRECONDITION, /an id of its own/],
    ['who looks for someone else', hello('blue', 2, 3), status.FAILED_PRECONDITION, /this is node 1/],
    ['who says no hello', Buffer.from('hello?'), status.INVALID_ARGUMENT, /this is no hello/],
  ]
  for (const [who, hello, code, details] of strangers) {
    it(`${who} is refused, is not listened to, and is in the log`, async () => {
      const addresses = await addressesFor(2)
      const station = new Station(1, addresses)
      await station.start()
      const { ended } = rawStream(addresses.get(1)!, hello, encodeItems([commit(1)]))
      const end = await ended
      assert.equal(end.code, code)
      assert.match(end.details, details)
      assert.deepEqual(station.items, [])
      assert.ok(station.logged.some((line) => details.test(line)))
    })
  }

  it('who connects and says nothing is shown the door', async () => {
    const { clock, fire } = clockByHand()
    const addresses = await addressesFor(2)
    await new Station(1, addresses, 'blue', clock).start()
    const { ended } = rawStream(addresses.get(1)!)
    while (!fire(HELLO_MS)) await new Promise(setImmediate)
    assert.equal((await ended).code, status.DEADLINE_EXCEEDED)
  })

  it('learns at its own end why it was refused', async () => {
    const addresses = await addressesFor(2)
    const blue = new Station(1, addresses)
    const green = new Station(2, addresses, 'green')
    await blue.start()
    await green.start()
    await green.until(() =>
      green.logged.some((line) => /you are of cluster 'green' and node 1 is of cluster 'blue'/.test(line)),
    )
    assert.deepEqual(green.events, [])
  })

  it('with garbage for HTTP/2 does not disturb the peers', async () => {
    const [one, two] = (await stations(2)) as [Station, Station]
    const addresses = [...two.logged].map((line) => JSON.parse(line).address as string).filter(Boolean)
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      '\0'.repeat(5_000),
      `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(5_000)}`,
    ]) {
      const [host, port] = addresses[0]!.split(':') as [string, string]
      const socket = connect(Number(port), host)
      socket.on('error', () => {})
      socket.end(garbage, 'latin1')
      socket.resume()
      await once(socket, 'close')
    }
    two.transport.send(1, commit(5))
    await one.until(() => one.items.length === 1)
    assert.deepEqual(one.events, ['connected 2'])
  })
})

describe('a peer', TIMEOUT, () => {
  it('that is not there is tried again, soon at first, then once a second at most', async () => {
    const { clock, fire } = clockByHand()
    const station = new Station(1, await addressesFor(2), 'blue', clock)
    await station.start()
    for (const delayMs of [37.5, 75, 150, 300, 600, 750, 750, 750]) {
      while (!fire(delayMs)) await new Promise(setImmediate)
    }
    assert.deepEqual(station.events, [])
    assert.equal(station.logged.length, 1, 'the reason is logged once')
  })

  it('that says hello is dialled at once, however long the pause until the next attempt', async () => {
    const addresses = await addressesFor(2)
    // Its pauses never end.
    const station = new Station(1, addresses, 'blue', clockByHand().clock)
    await station.start()
    await station.until(() => station.logged.length === 1)
    await new Station(2, addresses).start()
    await station.connectedTo(2)
  })

  it('that sends a malformed frame is cut off, nothing of the frame is delivered, and the node lives', async () => {
    const addresses = await addressesFor(2)
    const station = new Station(1, addresses)
    await station.start()
    const half = pack([1, [5, 1, 7], [5, 1, -7]])
    const { ended } = rawStream(addresses.get(1)!, hello('blue', 2, 1), half, encodeItems([commit(8)]))
    assert.equal((await ended).code, status.INVALID_ARGUMENT)
    assert.deepEqual(station.items, [])
    rawStream(addresses.get(1)!, hello('blue', 2, 1), encodeItems([commit(9)]))
    await station.until(() => station.items.length === 1)
    assert.deepEqual(station.items, [{ from: 2, item: commit(9) }])
  })

  it('that breaks the protocol has its stream ended, learns why, and may come again; it is logged once', async () => {
    const [one, two] = (await stations(2)) as [Station, Station]
    const refusals = () => one.logged.filter((line) => /node 2 breaks the protocol/.test(line))
    for (let time = 1; time <= 3; time++) {
      one.transport.closeInbound(2, `it leads in term ${time}, and so does node 1`)
      await two.until(() => two.events.filter((event) => event === 'disconnected 1').length === time)
      await two.connectedTo(1)
    }
    assert.equal(refusals().length, 1)
    assert.ok(two.logged.some((line) => /node 2 breaks the protocol: it leads in term 1/.test(line)))
    one.transport.closeInbound(9, 'it is not there')
  })

  it('that opens a second stream is heard on that one, and the first is closed', async () => {
    const addresses = await addressesFor(2)
    const station = new Station(1, addresses)
    await station.start()
    const older = rawStream(addresses.get(1)!, hello('blue', 2, 1))
    await older.welcomed
    const newer = rawStream(addresses.get(1)!, hello('blue', 2, 1))
    await newer.welcomed
    older.stream.write(encodeItems([commit(1)]))
    assert.equal((await older.ended).code, status.ABORTED)
    newer.stream.write(encodeItems([commit(2)]))
    await station.until(() => station.items.length === 1)
    assert.deepEqual(station.items, [{ from: 2, item: commit(2) }])
  })

  it('that is killed is noticed at once, once, and connected again when it is back', async () => {
    const addresses = await addressesFor(2)
    const station = new Station(1, addresses)
    await station.start()
    let other = peerProcess(addresses)
    await station.connectedTo(2)
    const killedAt = performance.now()
    other.kill('SIGKILL')
    await station.until(() => station.events.length === 2)
    const noticedMs = performance.now() - killedAt
    assert.ok(noticedMs < 500, `noticed after ${noticedMs} ms`)
    other = peerProcess(addresses)
    await station.until(() => station.events.length === 3)
    assert.deepEqual(station.events, ['connected 2', 'disconnected 2', 'connected 2'])
    station.transport.send(2, commit(77))
    await station.until(() => station.items.length === 1)
    assert.deepEqual(station.items, [{ from: 2, item: commit(77) }], 'it came back as it was sent')
  })

  it('that does not read is sent no more than the buffer holds, and goes on from there when it reads again', async () => {
    const addresses = await addressesFor(2)
    const deaf = await deafServer(addresses.get(2)!)
    const station = new Station(1, addresses)
    await station.start()
    await station.connectedTo(2)
    for (let turn = 0; turn < 400; turn++) {
      station.transport.send(2, forward(256 * 1024))
      await new Promise(setImmediate)
    }
    assert.ok(station.logged.some((line) => /messages are dropped until it drains/.test(line)))
    const arrivedBytes = deaf.bytes
    deaf.readAgain()
    while (deaf.smallFrames === 0) {
      station.transport.send(2, commit(1))
      await new Promise(setImmediate)
    }
    assert.ok(deaf.largestFrame < FRAME_BYTES + 257 * 1024, `a frame of ${deaf.largestFrame} bytes`)
    const heldBytes = deaf.bytes - arrivedBytes
    assert.ok(heldBytes > BUFFER_BYTES_MAX / 2, `${heldBytes} bytes were held`)
    assert.ok(
      heldBytes < BUFFER_BYTES_MAX + 2 * FRAME_BYTES,
      `${heldBytes} bytes were held of the ${400 * 256 * 1024} sent`,
    )
    assert.deepEqual(station.events, ['connected 2'])
  })

  it('that does not read for too long is cut off', async () => {
    const { clock, fire } = clockByHand()
    const addresses = await addressesFor(2)
    await deafServer(addresses.get(2)!)
    const station = new Station(1, addresses, 'blue', clock)
    await station.start()
    await station.connectedTo(2)
    for (let k = 0; k < 4; k++) station.transport.send(2, forward(1024 * 1024))
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
    assert.deepEqual(station.events, ['connected 2'])
    assert.ok(fire(DRAIN_MS))
    assert.deepEqual(station.events, ['connected 2', 'disconnected 2'])
    station.transport.send(2, commit(1))
    assert.deepEqual([...station.transport.connected()], [])
  })
})

/** Timers go off when the test says so; the event loop is the real one. */
function clockByHand(): { clock: Clock; fire: (delayMs: number) => boolean } {
  const timers = new Set<{ delayMs: number; action: () => void }>()
  const clock: Clock = {
    ...systemClock,
    after(delayMs, action) {
      const timer = { delayMs, action }
      timers.add(timer)
      return { cancel: () => timers.delete(timer) }
    },
  }
  const fire = (delayMs: number) => {
    const due = [...timers].filter((timer) => timer.delayMs === delayMs)
    for (const timer of due) {
      timers.delete(timer)
      timer.action()
    }
    return due.length > 0
  }
  return { clock, fire }
}

/** Welcomes whoever comes, and then reads nothing until it is told to, but for the few frames that gRPC reads ahead. */
class DeafServer {
  /** What gRPC has read. */
  bytes = 0
  largestFrame = 0
  smallFrames = 0
  readonly #streams: ServerDuplexStream<Buffer, Buffer>[] = []

  accept(stream: ServerDuplexStream<Buffer, Buffer>): void {
    stream.on('error', () => {})
    stream.once('data', () => {
      stream.pause()
      stream.write(encodeWelcome())
      this.#streams.push(stream)
    })
  }

  read(frame: Buffer): Buffer {
    this.bytes += frame.length
    this.largestFrame = Math.max(this.largestFrame, frame.length)
    return frame
  }

  readAgain(): void {
    for (const stream of this.#streams) {
      stream.on('data', (frame: Buffer) => {
        if (frame.length < 1_000) this.smallFrames++
      })
      stream.resume()
    }
  }
}

async function deafServer(address: string): Promise<DeafServer> {
  const deaf = new DeafServer()
  const server = new Server()
  closing.push(() => server.forceShutdown())
  const definition = { ...STREAM, requestDeserialize: (frame: Buffer) => deaf.read(frame) }
  server.addService(
    { stream: definition },
    { stream: (stream: ServerDuplexStream<Buffer, Buffer>) => deaf.accept(stream) },
  )
  await promisify(server.bindAsync.bind(server))(address, ServerCredentials.createInsecure())
  return deaf
}

/** Node 2 in a process of its own; it sends everything back. */
function peerProcess(addresses: ReadonlyMap<NodeId, string>) {
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
  const script = `
    import { pino } from 'pino'
    import { PeerTransport } from ${module('../src/transport/index.js')}
    import { systemClock } from ${module('../src/platform/clock.js')}
    const peers = new Map(${JSON.stringify([...addresses])})
    const logger = pino({ level: 'silent' })
    const transport = new PeerTransport({ self: 2, clusterId: 'blue', listen: peers.get(2), peers, connectionsMax: 8, level: 1, disk: 2, remember() {}, lastIndex: () => 0, clock: systemClock, random: Math.random, logger })
    await transport.start({ onItem: (from, item) => transport.send(from, item), onConnected() {}, onDisconnected() {}, onGreeted() {}, onDisowned() {} })`
  const process_ = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  closing.push(() => process_.kill('SIGKILL'))
  return process_
}
