import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Slots } from '../../src/client/slots.js'

describe('slots', () => {
  it('leave slot 0 to the session, and number the requests in each from 1', () => {
    const slots = new Slots()
    assert.deepEqual(slots.take(), { slot: 1, seq: 1 })
    assert.deepEqual(slots.take(), { slot: 2, seq: 1 })
    slots.give(1)
    assert.deepEqual(slots.take(), { slot: 1, seq: 2 })
  })

  it('are reused smallest first, beyond the first word of the bitmap too', () => {
    const slots = new Slots()
    for (let i = 0; i < 100; i++) slots.take()
    for (const slot of [97, 64, 33, 31, 32, 5]) slots.give(slot)
    const taken = Array.from({ length: 7 }, () => slots.take().slot)
    assert.deepEqual(taken, [5, 31, 32, 33, 64, 97, 101])
  })
})
