import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { connect, type Keeper } from '../../src/client/index.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { AcquireRequest, type Session } from '../../src/protocol/lockkeeper.js'
import { OneNode, refusalOf } from './one-node.js'
import { PLAIN_CLAIM } from './plain.js'
import { acquire, RawStream } from './raw-stream.js'

/** Names that something between here and the disk might take for something else. */
const ODD = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '0',
  ' ',
  '../..',
  '%00',
  'ﬁ',
  'fi',
  '🔒',
  '\u{feff}',
]

describe('names', () => {
  let node: OneNode
  let keeper: Keeper
  let session: Session
  let seq = 0
  before(async () => {
    node = await OneNode.start()
    keeper = await connect(node.address)
    session = await node.openSession()
  })
  after(async () => {
    await keeper.close()
    await node.stop()
  })

  /** How an acquire of these names is refused: by a unary call and on a stream alike. */
  async function refusal(...names: string[]): Promise<string> {
    const request = { ...PLAIN_CLAIM, session, slot: 1, seq: ++seq, names, waitMs: 0 }
    const { code, message } = await node.refusalOf('acquire', request)
    const stream = await RawStream.attach(node.client)
    const operation = { $case: 'acquire', value: { ...PLAIN_CLAIM, names, waitMs: 0 } } as const
    assert.equal(await stream.answerTo(1, 1, operation), `refused ${code}`)
    stream.close()
    return `${code}: ${message}`
  }

  it('that look like something else work like any other', async () => {
    for (const name of ODD) {
      await using lock = await keeper.lock(name, { waitMs: 0 })
      const { name: state } = await node.call('getName', { name })
      assert.deepEqual([state?.name, state?.holders[0]?.token], [name, lock.token])
      const stream = await RawStream.attach(node.client)
      assert.equal(await stream.answerTo(1, 1, acquire(name, 0)), 'refused TIMEOUT', name)
      stream.close()
      const { names } = await node.call('listNames', { prefix: name, after: '', limit: 0 })
      assert.deepEqual(
        names.map((listed) => listed.name),
        [name],
      )
    }
  })

  it('that look alike are different names', async () => {
    await using composed = await keeper.lock('caf\u00e9', { waitMs: 0 })
    await using decomposed = await keeper.lock('cafe\u0301', { waitMs: 0 })
    assert.notEqual(composed.token, decomposed.token)
  })

  it('that are empty, too long or too many are refused with the limit', async () => {
    assert.match(await refusal(''), /^INVALID: .*empty/)
    assert.match(await refusal('x'.repeat(LIMITS.nameBytesMax + 1)), /^LIMIT: .*512 bytes/)
    assert.match(await refusal('é'.repeat(LIMITS.nameBytesMax / 2 + 1)), /^LIMIT: .*512 bytes/)
    assert.match(await refusal('x'.repeat(200_000)), /^LIMIT: .*512 bytes/)
    assert.match(await refusal(), /^INVALID: .*at least one/)
    assert.match(await refusal('a', 'b', 'a'), /^INVALID: .*distinct/)
    const many = Array.from({ length: LIMITS.namesPerClaimMax + 1 }, (_, k) => `${k}`)
    assert.match(await refusal(...many), /^LIMIT: .*64 names/)
    await using lock = await keeper.lock('x'.repeat(LIMITS.nameBytesMax))
    assert.equal(lock.state, 'held')
  })

  it('with NUL or other control characters are refused', async () => {
    for (const name of ['\0', 'a\0b', 'a\nb', '\u007f', '\u0085']) {
      assert.match(await refusal(name), /^INVALID: .*control characters/)
      await assert.rejects(keeper.lock(name), { name: 'RefusedError', code: 'INVALID' })
      const inspected = await node.refusalOf('getName', { name })
      assert.equal(inspected.code, 'INVALID')
    }
  })

  it('that are no text are refused, rather than taken for one another', async () => {
    // Half a surrogate pair can't be encoded, and bytes that are no UTF-8 can't be decoded.
    for (const name of ['\ud800', 'a\udc00b', 'cut \ud83d']) {
      assert.match(await refusal(name), /^INVALID: .*well-formed/)
      await assert.rejects(keeper.lock(name), { name: 'RefusedError', code: 'INVALID' })
    }
    for (const bytes of [[0xff], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      const name = 'x'.repeat(bytes.length)
      const request = { ...PLAIN_CLAIM, session, slot: 1, seq: ++seq, names: [name], waitMs: 0 }
      const raw = Buffer.from(AcquireRequest.encode(request).finish())
      raw.set(bytes, raw.indexOf(name))
      assert.equal((await refusalOf(node.callRaw('acquire', raw))).code, 'INVALID')
    }
  })

  it('labels are held to the same', async () => {
    const request = { ...PLAIN_CLAIM, session, slot: 1, names: ['labelled'], waitMs: 0 }
    const long = { ...request, seq: ++seq, label: 'x'.repeat(LIMITS.labelBytesMax + 1) }
    assert.equal((await node.refusalOf('acquire', long)).code, 'LIMIT')
    const control = { ...request, seq: ++seq, label: '\u001b[31m' }
    assert.equal((await node.refusalOf('acquire', control)).code, 'INVALID')
    const open = await node.refusalOf('openSession', { ttlMs: 1_000, label: 'x'.repeat(257), key: 0 })
    assert.equal(open.code, 'LIMIT')
  })
})
