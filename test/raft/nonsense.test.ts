import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Message } from '../../raft/index.js'
import { accepted, append, entry, heard, leaderOne, nodeOne } from './one-node.js'

const at = (index: number, term: number) => entry(index, term)

/** Messages as a broken or hostile peer might send them, past what the types allow. */
const NONSENSE: readonly unknown[] = [
  undefined,
  null,
  'vote',
  {},
  { kind: 'shout', term: 1 },
  { kind: 'vote', term: -1, pre: false, transfer: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote', term: 1.5, pre: false, transfer: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote', term: 2 ** 60, pre: false, transfer: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote', term: 2 ** 48, pre: true, transfer: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote', term: 9, pre: false, transfer: false, lastIndex: 1, lastTerm: 9 },
  { kind: 'vote', term: 9, pre: false, transfer: false, lastIndex: Number.NaN, lastTerm: 0 },
  { kind: 'vote', term: 9, transfer: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote', term: 9, pre: false, lastIndex: 0, lastTerm: 0 },
  { kind: 'vote_result', term: 9, pre: false, granted: 'yes' },
  { kind: 'append', term: 9, prevIndex: 0, prevTerm: 0, entries: [], commit: -1, round: 0 },
  { kind: 'append', term: 9, prevIndex: 0, prevTerm: 0, entries: 'none', commit: 0, round: 0 },
  append(9, 0, 0, [at(2, 1)]),
  append(9, 0, 0, [at(1, 2), at(2, 1)]),
  append(9, 0, 0, [at(1, 10)]),
  append(9, 3, 10),
  append(9, 0, 0, [{ index: 1, term: 1, payload: 'text' as unknown as Uint8Array }]),
  append(9, 0, 0, [null as unknown as ReturnType<typeof at>]),
  { kind: 'append_result', term: 9, accepted: true, index: '7', hintIndex: 0, hintTerm: 0, round: 0 },
  append(9, 0, 0, [{ ...at(1, 1), config: null as never }]),
  append(9, 0, 0, [{ ...at(1, 1), config: { voters: [], outgoing: [], learners: [] } }]),
  append(9, 0, 0, [{ ...at(1, 1), config: { voters: [1], learners: [] } as never }]),
  { kind: 'vote', term: 9, pre: false, transfer: 1, lastIndex: 0, lastTerm: 0 },
  { kind: 'timeout_now', term: 0 },
  { kind: 'commit', term: 9, commit: null },
  { kind: 'read', term: 9, id: -1 },
  { kind: 'read_result', term: 9, id: 1, index: 0.5 },
]

describe('a message that makes no sense has no effect but that its sender is reported', () => {
  for (const nonsense of NONSENSE) {
    it(JSON.stringify(nonsense) ?? 'undefined', () => {
      for (const node of [nodeOne({ term: 1 }), leaderOne()]) {
        const before = node.status()
        const { write, send, sendAfterWrite, status, violations } = node.step([heard(2, nonsense as Message)])
        assert.deepEqual([write, send, sendAfterWrite, status], [undefined, [], [], before])
        assert.deepEqual(
          violations.map(({ from, reason }) => ({ from, reason })),
          [{ from: 2, reason: 'malformed' }],
        )
      }
    })
  }

  it('from one who is no node, or from itself', () => {
    for (const from of [1.5, 1, 0, -1]) {
      const node = nodeOne({ term: 1 })
      assert.equal(node.step([heard(from, append(9, 0, 0))]).status.term, 1)
    }
  })

  it('when a follower claims what the leader never sent (fault 60)', () => {
    const node = leaderOne()
    const { status, violations } = node.step([heard(2, accepted(7)), heard(3, accepted(7))])
    assert.equal(status.commitIndex, 0)
    assert.deepEqual(
      violations.map(({ from, reason }) => [from, reason]),
      [
        [2, 'unsent'],
        [3, 'unsent'],
      ],
    )
    node.step([heard(2, accepted(1))])
    assert.deepEqual(node.step([{ kind: 'read', id: 7 }, heard(2, accepted(1, 1, 9))]).reads, [])
    assert.deepEqual(node.step([heard(2, { kind: 'append_result', ...REFUSED_BEYOND })]).send, [])
  })
})

const REFUSED_BEYOND = { term: 1, accepted: false, index: 7, hintIndex: 9, hintTerm: 9, round: 0 } as const
