import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { OneNode, until } from './one-node.js'
import { acquire, RawStream, release, tokenOf } from './raw-stream.js'

const CYCLES = 100
/** The leader writes the time down when nobody else writes; so do a few turns of a busy machine. */
const OF_TIME_MAX = CYCLES / 4

describe('what a lock costs in entries of the log', () => {
  let node: OneNode
  let first: RawStream
  let second: RawStream
  before(async () => {
    node = await OneNode.start()
    first = await RawStream.attach(node.client)
    second = await RawStream.attach(node.client)
  })
  after(() => node.stop())

  async function entries(): Promise<number> {
    return (await node.call('getStatus', {})).commitIndex
  }

  it('two for an acquire and a release', async () => {
    const before = await entries()
    for (let k = 0; k < CYCLES; k++) {
      const token = tokenOf(await first.answerTo(1, 2 * k + 1, acquire('alone')))
      assert.equal(await first.answerTo(1, 2 * k + 2, release(token)), 'released')
    }
    const written = (await entries()) - before
    assert.ok(written >= 2 * CYCLES && written <= 2 * CYCLES + OF_TIME_MAX, `${written} entries`)
  })

  it('no more when it is waited for: one to stand in the queue, and the release of the one before is the grant', async () => {
    let [holder, waiter] = [first, second]
    let token = tokenOf(await holder.answerTo(2, 1, acquire('contended')))
    const before = await entries()
    for (let seq = 2; seq < CYCLES + 2; seq++) {
      waiter.ask(2, seq, acquire('contended'))
      await until(async () => (await node.call('getName', { name: 'contended' })).name!.waiting === 1)
      assert.equal(await holder.answerTo(3, seq, release(token)), 'released')
      await waiter.answered(2, seq, `granted ${token + 1}`)
      ;[holder, waiter] = [waiter, holder]
      token++
    }
    const written = (await entries()) - before
    assert.ok(written >= 2 * CYCLES && written <= 2 * CYCLES + OF_TIME_MAX, `${written} entries`)
  })
})
