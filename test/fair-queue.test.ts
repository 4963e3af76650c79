import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FairQueue } from '../src/platform/fair-queue.js'

/** Takes so many, or all. */
function take(queue: FairQueue<string>, count = Number.POSITIVE_INFINITY): string[] {
  const items: string[] = []
  while (items.length < count) {
    const taken = queue.take()
    if (taken === undefined) break
    items.push(taken.item)
  }
  return items
}

describe('a fair queue', () => {
  it('keeps the order of each lane', () => {
    const queue = new FairQueue<string>(1_000_000)
    for (let k = 0; k < 50; k++) queue.push(k % 3, `${k % 3}:${Math.floor(k / 3)}`, 1_000)
    const items = take(queue)
    assert.equal(items.length, 50)
    for (const lane of ['0', '1', '2']) {
      const own = items.filter((item) => item.startsWith(lane)).map((item) => Number(item.slice(2)))
      assert.deepEqual(
        own,
        own.map((_, k) => k),
      )
    }
    assert(queue.isEmpty)
    assert.equal(queue.bytes, 0)
  })

  it('lets a lane with one item pass the backlog of another', () => {
    const queue = new FairQueue<string>(1_000_000)
    for (let k = 0; k < 500; k++) queue.push(1, 'flood', 1_000)
    queue.push(2, 'one', 1_000)
    assert(take(queue, 10).includes('one'))
  })

  it('shares by bytes: a lane with large items gets fewer of them', () => {
    const queue = new FairQueue<string>(10_000_000)
    for (let k = 0; k < 2_000; k++) queue.push(1, 'small', 500)
    for (let k = 0; k < 100; k++) queue.push(2, 'large', 50_000)
    const items = take(queue, 1_000)
    const bytes = { small: 500 * items.filter((item) => item === 'small').length, large: 0 }
    bytes.large = 50_000 * items.filter((item) => item === 'large').length
    assert(Math.abs(bytes.small - bytes.large) <= 50_000 + 4_096, JSON.stringify(bytes))
  })

  it('gives what is alone in it at once, however large it is', () => {
    const queue = new FairQueue<string>(10_000_000)
    queue.push(1, 'first', 1_000_000)
    queue.push(1, 'second', 1_000_000)
    assert.deepEqual(take(queue), ['first', 'second'])
  })

  it('gives a lane as much room as is left free, so that others find room, too', () => {
    const queue = new FairQueue<string>(1_000)
    const fill = (lane: number): number => {
      let count = 0
      while (queue.push(lane, 'x', 10)) count++
      return count
    }
    assert.deepEqual([fill(1), fill(2), fill(3)], [50, 25, 13])
    assert(queue.push(4, 'x', 10), 'who holds nothing is not refused')
    take(queue)
    assert.equal(fill(5), 50)
    queue.clear()
    assert(queue.isEmpty)
    assert.equal(fill(5), 50)
  })
})
