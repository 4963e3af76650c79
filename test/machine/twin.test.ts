import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Verdict } from '../../src/machine/command.js'
import { CheckedMachine } from './commands.js'
import { batches, disksOf, membersOf, portrait } from './stories.js'
import { inTwinWords, Twin } from './twin.js'

function inWords(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'opened':
      return `opened ${verdict.session} ${verdict.ttlMs}`
    case 'renewed':
      return `renewed ${verdict.ttlMs}`
    case 'granted':
      return `granted ${verdict.claim} token ${verdict.token}`
    case 'queued':
      return `queued ${verdict.claim}`
    case 'refused':
      return verdict.code
    default:
      return verdict.kind
  }
}

describe('the machine', () => {
  it('answers like its dumb twin, whatever is asked, and keeps its invariants', () => {
    const property = fc.property(batches, (story) => {
      const machine = new CheckedMachine()
      const twin = new Twin()
      for (const batch of story) {
        const { verdicts, events } = machine.apply(batch)
        const expected = twin.apply(batch)
        assert.deepEqual(verdicts.map(inWords), expected.verdicts)
        assert.deepEqual(events.map(inTwinWords), expected.events)
        assert.deepEqual(
          membersOf(machine),
          twin.members.sort((a, b) => a.id - b.id),
        )
        assert.deepEqual(
          disksOf(machine),
          twin.disks.sort((a, b) => a.node - b.node),
        )
      }
    })
    fc.assert(property, { numRuns: 1_500 })
  })

  it('is the same however the log was cut into batches', () => {
    const property = fc.property(batches, (story) => {
      const whole = new CheckedMachine()
      const cut = new CheckedMachine()
      for (const { at, commands } of story) {
        const together = whole.apply({ at, commands })
        const apart = commands.map((each) => cut.apply({ at, commands: [each] }))
        if (commands.length === 0) apart.push(cut.apply({ at, commands }))
        assert.deepEqual(
          apart.flatMap((each) => each.verdicts),
          together.verdicts,
        )
        assert.deepEqual(
          apart.flatMap((each) => each.events),
          together.events,
        )
      }
      assert.deepEqual({ ...portrait(cut), digest: 0 }, { ...portrait(whole), digest: 0 })
    })
    fc.assert(property, { numRuns: 300 })
  })
})
