import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ClientReadableStream, type StatusObject, status } from '@grpc/grpc-js'
import { Backups } from '../../src/api/backups.js'
import { Refusal } from '../../src/api/refusal.js'
import { StateReads } from '../../src/api/state-reads.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import type { BackupPart } from '../../src/protocol/lockkeeper.js'
import { HandDrivenNode } from '../replica/hand-driven.js'
import { doorOf } from './door-by-hand.js'
import { CallError, OneNode, until } from './one-node.js'
import { PLAIN_CLAIM } from './plain.js'

/** So many that their backup is larger than what a connection holds. */
const SESSIONS = 12_000
const AT_ONCE = 500
const LABEL = 'x'.repeat(LIMITS.labelBytesMax)

type Stream = ClientReadableStream<BackupPart>

describe('backups over the wire', { timeout: 120_000 }, () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
    for (let k = 0; k < SESSIONS; k += AT_ONCE) {
      const open = () => node.call('openSession', { ttlMs: 600_000, label: LABEL, key: 0 })
      await Promise.all(Array.from({ length: AT_ONCE }, open))
    }
  })
  after(() => node.stop())

  /** One that takes the first part and then reads no more. */
  async function stuck(): Promise<Stream> {
    const stream = node.client.backup({})
    stream.on('error', () => undefined)
    await new Promise((resolve) => stream.once('data', resolve))
    stream.pause()
    return stream
  }

  async function sizeOf(stream: Stream): Promise<number> {
    let bytes = 0
    for await (const { offset, data } of stream as AsyncIterable<BackupPart>) {
      assert.equal(offset, bytes, 'without a gap')
      bytes += data.length
    }
    return bytes
  }

  function refusalOf(stream: Stream): Promise<CallError> {
    return sizeOf(stream).then(
      (bytes) => assert.fail(`${bytes} bytes, and no refusal`),
      (error) => new CallError(error),
    )
  }

  it('are as many at a time as the limit says, and a reader who leaves makes room', async () => {
    const bytes = await sizeOf(node.client.backup({}))
    assert.ok(bytes > SESSIONS * LIMITS.labelBytesMax)
    const slow = await Promise.all(Array.from({ length: LIMITS.backupsMax }, stuck))
    const { code, message } = await refusalOf(node.client.backup({}))
    assert.equal(code, 'BUSY')
    assert.match(message, new RegExp(`${LIMITS.backupsMax} backups are under way`))

    slow.pop()?.cancel()
    await until(async () => (await sizeOf(node.client.backup({})).catch(() => 0)) >= bytes)
    const { token } = await acquireOne(node)
    assert.ok(token > 0, 'and the node serves meanwhile')
    for (const stream of slow) stream.cancel()
  })

  it('do not keep the node from stopping', async () => {
    const slow = await stuck()
    const ended = new Promise<StatusObject>((resolve) => slow.once('status', resolve))
    await node.stopNode()
    slow.resume()
    assert.notEqual((await ended).code, status.OK)
  })
})

async function acquireOne(node: OneNode): Promise<{ token: number }> {
  const session = await node.openSession()
  return node.call('acquire', { ...PLAIN_CLAIM, session, slot: 0, seq: 1, names: ['a'], waitMs: 0 })
}

describe('a reader who stops in the middle of a backup', () => {
  it('is cut off after a while, and what it held is let go', async () => {
    const node = await HandDrivenNode.leading()
    const { clock } = node
    const door = doorOf(node)
    const reads = new StateReads(door)
    const backups = new Backups(door, reads)
    const caller = { connection: 'test', remainingMs: Number.POSITIVE_INFINITY, onGone: () => undefined }
    const taken: BackupPart[] = []
    const take = async (part: BackupPart): Promise<void> => {
      taken.push(part)
      if (taken.length === 2) await new Promise(() => undefined)
    }
    let end: unknown
    const sent = backups.send(caller, take).catch((error: unknown) => {
      end = error
    })
    await clock.pass(1_000)
    assert.deepEqual([taken.length, end], [2, undefined])
    await clock.pass(LIMITS.backupPartMsMax)
    await sent
    assert.ok(end instanceof Refusal)
    assert.deepEqual([end.code, taken.length], ['BUSY', 2])
    assert.match(end.message, /unread for 30000 ms; read faster/)
  })
})
