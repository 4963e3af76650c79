import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Agenda, type Deadline } from '../../src/machine/agenda.js'

const change = fc.record({
  what: fc.constantFrom('add', 'add', 'move', 'remove'),
  at: fc.integer({ min: 0, max: 20 }),
  which: fc.nat(),
})

describe('the agenda', () => {
  it('gives out deadlines by time, kind and id, whatever was added, moved and removed before', () => {
    const property = fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const agenda = new Agenda()
      const twin: Deadline[] = []
      changes.forEach(({ what, at, which }, id) => {
        const chosen = which % Math.max(twin.length, 1)
        const known = twin[chosen]
        if (what === 'add' || known === undefined)
          twin.push(agenda.add(which % 2 ? 'wait' : 'session', id, at))
        else if (what === 'move') agenda.move(known, at)
        else agenda.remove(twin.splice(chosen, 1)[0]!)
      })
      twin.sort((a, b) => a.at - b.at || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.id - b.id))
      for (const expected of twin) {
        assert.equal(agenda.first(), expected)
        agenda.remove(expected)
      }
      assert.equal(agenda.size, 0)
    })
    fc.assert(property, { numRuns: 2_000 })
  })

  it('refuses to move or remove what is not on it', () => {
    const agenda = new Agenda()
    const deadline = agenda.add('session', 1, 5)
    agenda.remove(deadline)
    assert.throws(() => agenda.remove(deadline), /broken invariant/)
    assert.throws(() => agenda.move(deadline, 9), /broken invariant/)
  })
})
