import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WorkQueue } from '../src/platform/work-queue.js'
import { HandClock } from './replica/hand-clock.js'

const BUDGET_MS = 4

/** A queue on a clock that each step moves on by `stepMs`, and what it did. */
function queueOn(stepMs: number) {
  const clock = new HandClock()
  const queue = new WorkQueue(clock, BUDGET_MS)
  const done: string[] = []
  const add = (owner: string, count: number): void => {
    let left = count
    queue.add(owner, () => {
      clock.stall(stepMs)
      done.push(owner)
      return --left > 0
    })
  }
  return { clock, queue, done, add }
}

describe('a work queue', () => {
  it('does no more in one turn than its budget allows, and goes on in the next', async () => {
    const { clock, done, add } = queueOn(1)
    add('a', 10)
    await clock.turn()
    assert.equal(done.length, BUDGET_MS)
    await clock.pass(0)
    assert.equal(done.length, 2 * BUDGET_MS)
    await clock.pass(BUDGET_MS)
    assert.equal(done.length, 10)
  })

  it('bounds the steps of a turn as well, since what they cause by promises is not measured', async () => {
    const { clock, done, add } = queueOn(0)
    add('a', 1_000)
    await clock.turn()
    assert.equal(done.length, 256)
  })

  it('takes turns among the owners, whatever each has asked for', async () => {
    const { clock, done, add } = queueOn(1)
    add('greedy', 5)
    add('greedy', 5)
    add('modest', 2)
    await clock.turn()
    assert.deepEqual(done, ['greedy', 'modest', 'greedy', 'modest'])
  })

  it('does the work of one owner in the order in which it came', async () => {
    const { clock, queue } = queueOn(0)
    const done: number[] = []
    queue.addEach('a', [1, 2, 3], (item) => done.push(item))
    queue.addEach('a', [4, 5], (item) => done.push(item))
    await clock.turn()
    assert.deepEqual(done, [1, 2, 3, 4, 5])
  })

  it('does at least one step per turn, without any budget', async () => {
    const clock = new HandClock()
    const queue = new WorkQueue(clock, 0)
    const done: number[] = []
    queue.addEach('a', [1, 2], (item) => done.push(item))
    await clock.turn()
    assert.deepEqual(done, [1])
    await clock.pass(1)
    assert.deepEqual(done, [1, 2])
  })

  it('drops a step that throws, and goes on with the others', async () => {
    const { clock, queue, done, add } = queueOn(0)
    queue.add('broken', () => {
      throw new Error('a bug')
    })
    add('a', 2)
    await assert.rejects(clock.turn(), /a bug/)
    await clock.pass(0)
    assert.deepEqual(done, ['a', 'a'])
  })
})
