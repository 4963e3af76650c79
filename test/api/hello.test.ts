import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Operator } from '../../src/client/operator.js'
import { OneNode } from './one-node.js'
import { acquire, CLOSE, helloOf, newKey, RawStream, RENEW, release, tokenOf } from './raw-stream.js'

describe('hello', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  /** How the door answers this first frame, when it does not like it. */
  async function refusalOf(frame: Parameters<RawStream['send']>[0]): Promise<string> {
    const stream = new RawStream(node.client)
    stream.send(frame)
    const { status, code } = await stream.end()
    assert.deepEqual(stream.frames, [], 'no Welcome before a refusal')
    return `${status} ${code}`
  }

  it('is answered with a session and with who is who', async () => {
    const key = newKey()
    const stream = await RawStream.attach(node.client, { id: 0, key })
    const welcome = await stream.welcome()
    assert.ok(welcome.session!.id > 0)
    assert.deepEqual(welcome, {
      protocolVersion: 1,
      clusterId: 'test',
      nodeId: 1,
      session: { id: welcome.session!.id, key },
      ttlMs: 30_000,
      topology: {
        leader: 1,
        members: [
          {
            id: 1,
            clientAddress: node.address,
            peerAddress: welcome.topology!.members[0]!.peerAddress,
            connected: true,
          },
        ],
      },
    })
    stream.close()
  })

  it('names no learner to clients, who would go there: behind its address there may be anything', async () => {
    const stream = await RawStream.attach(node.client)
    const stranger = { id: 7, peerAddress: '127.0.0.1:1', clientAddress: '127.0.0.1:2' }
    using operator = new Operator([node.address])
    await operator.change('addMember', stranger, () => false)
    const late = await RawStream.attach(node.client)
    const told = [...stream.frames, ...late.frames].flatMap(({ welcome, topology }) => [
      welcome?.topology,
      topology,
    ])
    const { topology } = await node.call('getStatus', {})
    assert.deepEqual(
      topology?.members.map(({ id }) => id),
      [1, 7],
    )
    for (const each of told) assert.deepEqual(each?.members.map(({ id }) => id) ?? [1], [1])
    await operator.change('removeMember', { id: 7 }, () => false)
    stream.close()
    late.close()
  })

  it('repeated with the same key, as after a lost Welcome, finds the same session', async () => {
    const key = newKey()
    const first = await RawStream.attach(node.client, { id: 0, key })
    const second = await RawStream.attach(node.client, { id: 0, key })
    assert.deepEqual(second.session, first.session)
    first.close()
    second.close()
  })

  it('resumes a session on a second stream while the first lives: both serve it, neither disturbs the other', async () => {
    const first = await RawStream.attach(node.client)
    const token = tokenOf(await first.answerTo(1, 1, acquire('moving')))
    const second = await RawStream.attach(node.client, first.session)
    assert.deepEqual(second.session, first.session)
    assert.equal(await second.answerTo(1, 1, acquire('moving')), `granted ${token}`, 'the claim is the same')
    assert.equal(await first.answerTo(0, 1, RENEW), 'renewed')
    first.close()
    assert.equal(await second.answerTo(2, 1, release(token)), 'released')
    second.close()
  })

  it('of a closed session: all its streams are told how it ended, then it can be resumed no more', async () => {
    const first = await RawStream.attach(node.client)
    const second = await RawStream.attach(node.client, first.session)
    assert.equal(await first.answerTo(0, 1, CLOSE), 'closed', 'the answer comes before the end')
    for (const stream of [first, second]) {
      assert.equal((await stream.end()).status, 'OK')
      assert.deepEqual(stream.frames.at(-1)?.sessionEnded, { reason: 'CLOSED' })
    }
    assert.equal(await refusalOf(helloOf(first.session)), 'FAILED_PRECONDITION SESSION_EXPIRED')
  })

  it('of a session that fell silent: it is told that it expired', async () => {
    const stream = new RawStream(node.client)
    stream.send(helloOf({ id: 0, key: newKey() }, { ttlMs: 200 }))
    await stream.welcome()
    assert.equal((await stream.end()).status, 'OK')
    assert.deepEqual(stream.frames.at(-1)?.sessionEnded, { reason: 'EXPIRED' })
    assert.equal(await refusalOf(helloOf(stream.session)), 'FAILED_PRECONDITION SESSION_EXPIRED')
  })

  it('of a session that is unknown, or another’s, is refused', async () => {
    const { id, key } = await node.openSession()
    assert.equal(await refusalOf(helloOf({ id: 2 ** 40, key })), 'NOT_FOUND SESSION_UNKNOWN')
    assert.equal(await refusalOf(helloOf({ id, key: key - 1 })), 'PERMISSION_DENIED SESSION_FOREIGN')
    await node.call('keepAlive', { session: { id, key } })
  })

  it('of another cluster, or of another protocol, is told which', async () => {
    const session = { id: 0, key: newKey() }
    const foreign = new RawStream(node.client)
    foreign.send(helloOf(session, { clusterId: 'other' }))
    const wrong = await foreign.end()
    assert.deepEqual([wrong.status, wrong.code], ['FAILED_PRECONDITION', 'WRONG_CLUSTER'])
    assert.match(wrong.message, /'test'.*'other'.*check the addresses/)

    for (const protocolVersion of [0, 2]) {
      const stream = new RawStream(node.client)
      stream.send(helloOf(session, { protocolVersion }))
      const { status, code, message } = await stream.end()
      assert.deepEqual([status, code], ['UNIMPLEMENTED', 'UNSUPPORTED'])
      assert.match(message, new RegExp(`version 1, and the client ${protocolVersion}; upgrade`))
    }
    const right = new RawStream(node.client)
    right.send(helloOf(session, { clusterId: 'test' }))
    await right.welcome()
    right.close()
  })

  it('with the name of a cluster that is megabytes long is refused like any other', async () => {
    const hello = helloOf({ id: 0, key: newKey() }, { clusterId: 'x'.repeat(1_000_000) })
    assert.equal(await refusalOf(hello), 'FAILED_PRECONDITION WRONG_CLUSTER')
  })

  it('must come first, alone, and with a key', async () => {
    const hello = helloOf({ id: 0, key: newKey() })
    const request = { slot: 1, seq: 1, operation: RENEW }
    const invalid = 'INVALID_ARGUMENT INVALID'
    assert.equal(await refusalOf({ hello: undefined, requests: [] }), invalid, 'nothing said')
    assert.equal(await refusalOf({ hello: undefined, requests: [request] }), invalid, 'no hello')
    assert.equal(
      await refusalOf({ ...hello, requests: [request] }),
      invalid,
      'a request along with the hello',
    )
    assert.equal(await refusalOf(helloOf({ id: 0, key: 0 })), invalid, 'no key for a new session')
    assert.equal(await refusalOf(helloOf({ id: 5, key: 0 })), invalid, 'no key for an old session')
  })

  it('must be answered before anything else is sent', async () => {
    const stream = new RawStream(node.client)
    stream.send(helloOf({ id: 0, key: newKey() }))
    stream.ask(1, 1, acquire('too-soon'))
    const { status, code } = await stream.end()
    assert.deepEqual([status, code], ['INVALID_ARGUMENT', 'INVALID'])
    const { name } = await node.call('getName', { name: 'too-soon' })
    assert.deepEqual(name?.holders, [], 'the request had no effect')
  })

  it('asks for a TTL within the limits', async () => {
    for (const ttlMs of [0, 99, 24 * 60 * 60 * 1000 + 1, Number.MAX_SAFE_INTEGER]) {
      const stream = new RawStream(node.client)
      stream.send(helloOf({ id: 0, key: newKey() }, { ttlMs }))
      const { status, code, message } = await stream.end()
      assert.deepEqual([status, code], ['INVALID_ARGUMENT', 'INVALID'], `a TTL of ${ttlMs} ms`)
      assert.match(message, /ttlMs must be a whole number from 100 to 86400000/)
    }
  })
})
