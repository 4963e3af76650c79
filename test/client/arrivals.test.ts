import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Keeper } from '../../src/client/index.js'
import { crowd, Served, until } from './served.js'

/** The number of members, when it is that. */
async function joined(keeper: Keeper, name: string, count: number): Promise<void> {
  await until(async () => (await crowd(keeper, name))[2] === count)
}

describe('those who wait for each other', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  before(async () => {
    ann = await served.connect()
    bob = await served.connect()
  })

  it('pass a barrier together, and none before', async () => {
    let passed = 0
    const enter = (keeper: Keeper) =>
      keeper
        .barrier('start', 3)
        .enter()
        .then((place) => {
          passed++
          return place
        })
    const entering = [enter(ann), enter(bob)]
    await joined(ann, 'start', 2)
    assert.equal(passed, 0)
    entering.push(enter(bob))
    const places = await Promise.all(entering)
    await Promise.all(places.map((place) => place.leave()))
    assert.deepEqual(await crowd(ann, 'start'), [0, 0, 0])
  })

  it('pass though others leave at once: nobody misses the moment', async () => {
    for (let round = 0; round < 20; round++) {
      const enterAndLeave = async (keeper: Keeper): Promise<void> => {
        await (await keeper.barrier(`rush/${round}`, 2).enter('', { waitMs: 8_000 })).leave()
      }
      await Promise.all([enterAndLeave(ann), enterAndLeave(bob)])
    }
  })

  it('do not count who was lost meanwhile', async () => {
    const doomed = await served.connect()
    const entering = [ann.barrier('crash', 3).enter()]
    const lost = assert.rejects(doomed.barrier('crash', 3).enter(), { name: 'KeeperClosedError' })
    await joined(bob, 'crash', 2)
    await doomed.close()
    await lost
    await joined(bob, 'crash', 1)
    await assert.rejects(bob.barrier('crash', 3).enter('', { waitMs: 50 }), { code: 'TIMEOUT' })
    entering.push(bob.barrier('crash', 3).enter(), bob.barrier('crash', 3).enter())
    for (const place of await Promise.all(entering)) await place.leave()
  })

  it('are told when their place is taken by force', async () => {
    const entering = ann.barrier('forced', 2).enter()
    const lost = assert.rejects(entering, { name: 'LockLostError' })
    await joined(bob, 'forced', 1)
    const [member] = await bob.group('forced').members()
    await bob.forceRelease('forced', { token: member!.token })
    await lost
    assert.deepEqual(await crowd(bob, 'forced'), [0, 0, 0])
  })

  it('leave nothing in the barrier when they give up', async () => {
    const leave = new AbortController()
    const entering = ann.barrier('left', 2).enter('', { signal: leave.signal })
    await joined(bob, 'left', 1)
    leave.abort()
    await assert.rejects(entering, { name: 'AbortError' })
    await joined(bob, 'left', 0)
    await assert.rejects(ann.barrier('left', 2).enter('', { waitMs: 20 }), { name: 'LockTimeoutError' })
    await joined(bob, 'left', 0)
  })

  it('go on when the count is complete; an arrival that is taken back does not count', async () => {
    const parts = { ann: ann.countDown('parts', 2), bob: bob.countDown('parts', 2) }
    let isComplete = false
    const waits = bob
      .countDown('parts', 2)
      .wait()
      .then(() => {
        isComplete = true
      })
    const first = await parts.ann.arrive('one')
    await first.release()
    await parts.ann.arrive('one, again')
    await assert.rejects(parts.bob.wait({ waitMs: 30 }), { name: 'LockTimeoutError' })
    assert.equal(isComplete, false)
    await parts.bob.arrive('two')
    await waits
    await parts.ann.wait()
  })

  it('make no sense of nonsense', async () => {
    for (const size of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => ann.barrier('x', size), { name: 'RefusedError', code: 'INVALID' })
      assert.throws(() => ann.countDown('x', size), { name: 'RefusedError', code: 'INVALID' })
    }
    await assert.rejects(ann.countDown('x', 1).wait({ waitMs: -1 }), { code: 'INVALID' })
  })
})
