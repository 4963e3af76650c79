import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Progress } from '../../raft/progress.js'

function seen({ match, next, open }: Progress): [match: number, next: number, open: boolean] {
  return [match, next, open]
}

describe('what a leader knows of a follower', () => {
  it('while probing, `next` stays and one append is out', () => {
    const progress = new Progress(10, 0)
    progress.sent(14)
    assert.deepEqual(seen(progress), [0, 10, false])
    progress.accepted(14)
    assert.deepEqual(seen(progress), [14, 15, true])
  })

  it('while replicating, `next` runs ahead', () => {
    const progress = new Progress(1, 0)
    progress.accepted(0)
    progress.sent(5)
    progress.sent(9)
    assert.deepEqual(seen(progress), [0, 10, true])
    progress.accepted(5)
    assert.deepEqual(seen(progress), [5, 10, true])
  })

  it('a refusal goes back to where the logs may agree, never to what is known', () => {
    const progress = new Progress(10, 0)
    progress.refused(9, 4)
    assert.deepEqual(seen(progress), [0, 5, true])
    progress.accepted(4)
    progress.sent(9)
    progress.refused(9, 2)
    assert.deepEqual(seen(progress), [4, 5, true])
  })

  it('an old refusal at or below the match does not stop the stream (fault 11)', () => {
    const progress = new Progress(10, 0)
    progress.accepted(9)
    progress.sent(12)
    progress.refused(9, 4)
    progress.refused(7, 4)
    assert.deepEqual(seen(progress), [9, 13, true])
  })

  it('an old refusal does not answer the probe that is out (fault 11)', () => {
    const progress = new Progress(20, 0)
    progress.sent(25)
    progress.refused(12, 4)
    progress.refused(24, 4)
    assert.deepEqual(seen(progress), [0, 20, false])
  })

  it('a broken stream closes the flow until the next answer, and forgets what was in flight', () => {
    const progress = new Progress(1, 0)
    progress.accepted(3)
    progress.sent(9)
    progress.told = 8
    progress.disconnected()
    assert.deepEqual(seen(progress), [3, 4, false])
    assert.equal(progress.told, 3)
    progress.accepted(3)
    assert.deepEqual(seen(progress), [3, 4, true])
  })

  it('a probe refused at the match: it lost what it had acknowledged, and is looked for anew', () => {
    const progress = new Progress(1, 0)
    progress.accepted(7)
    progress.disconnected()
    progress.refused(7, 3)
    assert.deepEqual(seen(progress), [0, 4, true])
  })

  it('needs a snapshot when the log begins beyond what it needs next, and has answered', () => {
    const progress = new Progress(10, 0)
    progress.sent(12)
    assert.equal(progress.needsSnapshot(9), false)
    assert.equal(progress.needsSnapshot(20), false)
    assert.deepEqual(seen(progress), [0, 21, false])
    progress.refused(20, 4)
    assert.equal(progress.needsSnapshot(20), true)
    assert.equal(progress.needsSnapshot(20), false)
    assert.deepEqual([...seen(progress), progress.inSnapshot], [0, 21, false, true])
  })

  it('while the snapshot is sent nothing else is, whatever it answers', () => {
    const progress = new Progress(5, 0)
    progress.accepted(4)
    progress.needsSnapshot(20)
    progress.refused(20, 4)
    progress.disconnected()
    progress.accepted(6)
    assert.deepEqual([...seen(progress), progress.inSnapshot], [6, 21, false, true])
    progress.accepted(30)
    assert.deepEqual([...seen(progress), progress.inSnapshot], [30, 31, false, true])
    progress.snapshotEnded()
    assert.deepEqual([...seen(progress), progress.inSnapshot], [30, 31, true, false])
  })

  it('when the snapshot has ended, an answer says whether it arrived', () => {
    const progress = new Progress(5, 0)
    progress.accepted(4)
    progress.needsSnapshot(20)
    progress.snapshotEnded()
    assert.deepEqual([...seen(progress), progress.inSnapshot], [4, 21, false, false])
    progress.accepted(20)
    progress.snapshotEnded()
    assert.deepEqual(seen(progress), [20, 21, true])
  })
})
