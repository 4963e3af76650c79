import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Log } from '../../raft/log.js'
import { majorityOf, reachedByMajority } from '../../raft/quorum.js'
import { entry, voting } from './one-node.js'

const figures = fc.array(fc.nat(20), { minLength: 1, maxLength: 9 })

describe('majorities, against a dumb twin', () => {
  it('more than half is a majority, and no less', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), (size) => {
        assert(majorityOf(size) * 2 > size)
        assert((majorityOf(size) - 1) * 2 <= size)
      }),
    )
  })

  it('what a majority has reached: the highest value that, counted one by one, enough voters are at', () => {
    fc.assert(
      fc.property(figures, (values) => {
        let highest = 0
        for (let value = 0; value <= 20; value++) {
          const there = values.filter((reached) => reached >= value).length
          if (there * 2 > values.length) highest = value
        }
        assert.equal(reachedByMajority([...values]), highest)
      }),
    )
  })

  it('any two majorities share a voter, so what one has reached the other can\u2019t miss', () => {
    fc.assert(
      fc.property(figures, fc.nat(8), (values, skipped) => {
        const reached = reachedByMajority([...values])
        const majority = values
          .filter((_, voter) => voter !== skipped % values.length)
          .slice(0, majorityOf(values.length))
        if (majority.length >= majorityOf(values.length)) assert(majority.some((value) => value >= reached))
      }),
    )
  })
})

const growingTerms = fc.array(fc.nat(3), { maxLength: 30 }).map((steps) => {
  let term = 1
  return steps.map((step) => (term += step === 3 ? 1 : 0))
})

describe('the log, against a dumb twin', () => {
  const logOf = (terms: readonly number[]) =>
    new Log({
      start: { index: 0, term: 0, config: voting(1) },
      entries: terms.map((term, i) => entry(i + 1, term, ...new Array(i % 4))),
      appliedIndex: 0,
    })

  it('finds the last entry of a term or an earlier one by halving, as one by one', () => {
    fc.assert(
      fc.property(growingTerms, fc.nat(35), fc.nat(12), (terms, index, term) => {
        let twin = Math.min(index, terms.length)
        while (twin > 0 && terms[twin - 1]! > term) twin--
        assert.equal(logOf(terms).lastWithTermAtMost(index, term), twin)
      }),
    )
  })

  it('the bytes of a range are those of its entries, one by one', () => {
    fc.assert(
      fc.property(growingTerms, fc.nat(30), fc.nat(30), (terms, a, b) => {
        const [after, upTo] = [Math.min(a, b, terms.length), Math.min(Math.max(a, b), terms.length)]
        const log = logOf(terms)
        const twin = log.slice(after + 1, upTo).reduce((sum, { payload }) => sum + payload.length + 64, 0)
        assert.equal(log.bytesBetween(after, upTo), twin)
      }),
    )
  })

  it('the last entry that may go is the last one behind which so many bytes follow', () => {
    fc.assert(
      fc.property(growingTerms, fc.nat(30), fc.nat(30), fc.nat(2_500), (terms, cut, end, bytes) => {
        const log = logOf(terms)
        log.commitTo(log.lastIndex)
        log.takeCommitted()
        log.compact(Math.min(cut, terms.length))
        const to = Math.max(log.start.index, Math.min(end, terms.length))
        let twin = to
        while (twin > log.start.index && log.bytesBetween(twin, to) < bytes) twin--
        assert.equal(log.lastBefore(to, bytes), twin)
        assert.equal(log.lastBefore(to, Number.POSITIVE_INFINITY), log.start.index)
      }),
    )
  })

  it('two logs backtrack to where they agree: refusals never pass below the common prefix', () => {
    fc.assert(
      fc.property(growingTerms, growingTerms, (ours, theirs) => {
        let common = 0
        while (common < Math.min(ours.length, theirs.length) && ours[common] === theirs[common]) common++
        const [leader, follower] = [logOf(ours), logOf(theirs)]
        const prev = ours.length
        const hint = follower.lastWithTermAtMost(prev, leader.lastTerm)
        const next = leader.lastWithTermAtMost(hint, follower.termAt(hint)!)
        assert(next >= Math.min(common, prev))
      }),
    )
  })

  it('one that has forgotten its beginning answers as the whole one does, for all that it still has', () => {
    fc.assert(
      fc.property(growingTerms, fc.nat(30), fc.nat(35), fc.nat(12), (terms, cut, index, term) => {
        const [whole, cropped] = [logOf(terms), logOf(terms)]
        for (const log of [whole, cropped]) log.commitTo(log.lastIndex)
        cropped.takeCommitted()
        cropped.compact(Math.min(cut, terms.length))
        const start = cropped.start.index
        for (let i = start; i <= terms.length; i++) {
          assert.equal(cropped.termAt(i), whole.termAt(i))
          assert.equal(cropped.bytesBetween(i, terms.length), whole.bytesBetween(i, terms.length))
          assert.deepEqual(cropped.slice(i + 1, terms.length), whole.slice(i + 1, terms.length))
        }
        const point = whole.lastWithTermAtMost(index, term)
        if (point >= start) assert.equal(cropped.lastWithTermAtMost(index, term), point)
        else assert(cropped.lastWithTermAtMost(index, term) < start)
      }),
    )
  })
})
