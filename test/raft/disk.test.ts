import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Disk } from '../../raft/disk.js'
import { append, entry, heard, nodeOne } from './one-node.js'

const STATE = { term: 2, vote: 0 }

describe('what is on disk', () => {
  it('is what the newest finished write, and all before it, brought there', () => {
    const disk = new Disk(0)
    disk.handOut(undefined, [entry(1, 1), entry(2, 1)], 0)
    disk.handOut(undefined, [entry(3, 1)], 0)
    assert.deepEqual([disk.persistedIndex, disk.handedOutIndex], [0, 3])
    disk.written(1)
    assert.equal(disk.persistedIndex, 2)
    disk.written(2)
    disk.written(1)
    assert.equal(disk.persistedIndex, 3)
  })

  it('does not count entries that were truncated while their write was under way (fault 7)', () => {
    const disk = new Disk(0)
    disk.handOut(undefined, [entry(1, 1), entry(2, 1), entry(3, 1)], 0)
    disk.truncated(2)
    assert.deepEqual(disk.handOut(STATE, [entry(2, 2), entry(3, 2)], 0), {
      id: 2,
      hardState: STATE,
      truncateFrom: 2,
      entries: [entry(2, 2), entry(3, 2)],
    })
    disk.written(1)
    assert.equal(disk.persistedIndex, 1)
    disk.written(2)
    assert.equal(disk.persistedIndex, 3)
  })

  it('shrinks when what was persisted is truncated (fault 7)', () => {
    const disk = new Disk(5)
    disk.truncated(4)
    assert.deepEqual([disk.persistedIndex, disk.handedOutIndex], [3, 3])
  })

  it('need not hear of a truncation of what it was never given', () => {
    const disk = new Disk(5)
    disk.truncated(6)
    assert.equal(disk.handOut(undefined, [], 0), undefined)
  })

  it('is cut at the lowest of several truncations', () => {
    const disk = new Disk(9)
    disk.truncated(7)
    disk.truncated(4)
    disk.truncated(6)
    assert.equal(disk.handOut(undefined, [], 0)?.truncateFrom, 4)
  })

  it('is silent since its oldest unfinished write', () => {
    const disk = new Disk(0)
    disk.handOut(STATE, [], 3)
    disk.handOut(STATE, [], 8)
    assert.equal(disk.silence(10), 7)
    disk.written(1)
    assert.equal(disk.silence(10), 2)
    disk.written(2)
    assert.equal(disk.silence(10), 0)
  })

  it('a write that was never handed out is a bug of the driver', () => {
    assert.throws(() => new Disk(0).written(1), /handed out/)
  })

  it('the whole of a step is one write: what was appended and truncated within it never shows', () => {
    const node = nodeOne({ term: 1, log: [1] })
    const { write } = node.step([
      heard(2, append(1, 1, 1, [entry(2, 1), entry(3, 1)])),
      heard(3, append(2, 1, 1, [entry(2, 2)])),
    ])
    assert.deepEqual(write, { id: 1, hardState: STATE, truncateFrom: undefined, entries: [entry(2, 2)] })
  })
})
