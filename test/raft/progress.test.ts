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
})
