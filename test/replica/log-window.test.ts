import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FollowerProgress, RaftNode } from '../../raft/index.js'
import { LogWindow } from '../../src/replica/log-window.js'
import { leaderOne } from '../raft/one-node.js'

const ENTRIES = 200
/** Of one entry. */
const INTERVAL_BYTES = 65

/** A leader whose log has an entry for each interval, and the window of that log. */
function windowOf(followers: () => FollowerProgress[], oldestSnapshot = Number.POSITIVE_INFINITY) {
  const raft: RaftNode = leaderOne()
  for (let index = 2; index <= ENTRIES; index++)
    raft.step([{ kind: 'propose', payload: Uint8Array.of(index) }])
  const parts = { raft, intervalBytes: INTERVAL_BYTES, followers, oldestSnapshot: () => oldestSnapshot }
  const window = new LogWindow(parts)
  return (index: number): number | undefined => window.startFor(index)?.index
}

function follower(match: number): FollowerProgress {
  return { id: 2, match, snapshot: false }
}

describe('the log behind a checkpoint', () => {
  it('is a window of eight intervals, and all of it where there is no more', () => {
    const startFor = windowOf(() => [])
    assert.equal(startFor(100), 92)
    assert.equal(startFor(9), 1)
    assert.equal(startFor(8), undefined)
  })

  it('goes back to what a follower has, also at checkpoints that follow each other closely', () => {
    let match = 60
    const startFor = windowOf(() => [follower(match)])
    assert.deepEqual([startFor(100), startFor(100), startFor(101), startFor(107)], [60, 60, 60, 60])
    match = 61
    assert.deepEqual([startFor(108), startFor(115)], [61, 61])
  })

  it('is not kept for one that gets nothing for a whole window, until it gets on', () => {
    let match = 60
    const startFor = windowOf(() => [follower(match)])
    assert.deepEqual([startFor(100), startFor(107), startFor(108)], [60, 60, 100])
    match = 104
    assert.equal(startFor(120), 104)
  })

  it('is kept behind a snapshot that is being sent, and never for longer than sixty-four intervals', () => {
    assert.equal(windowOf(() => [], 50)(100), 50)
    assert.equal(windowOf(() => [], 0)(100), 36)
    assert.equal(windowOf(() => [follower(0)])(100), 36)
  })
})
