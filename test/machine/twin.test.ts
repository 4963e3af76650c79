import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Batch } from '../../src/machine/language/command.js'
import { CheckedMachine, outcome } from './commands.js'
import { batches, batchesWith, disksOf, membersOf, portrait } from './stories.js'
import { Twin } from './twin.js'
import { appliedInWords, interventionsInWords } from './twin-words.js'

/** What the stories must have come across, and how often in a thousand of them: a twin that is never asked agrees always. */
const OFTEN_ENOUGH: readonly (readonly [what: string, times: number])[] = [
  ['acquire: granted', 6_000],
  ['acquire: queued', 4_000],
  ['acquire: found', 100],
  ['acquire: CONFLICT', 400],
  ['acquire: DEADLOCK', 200],
  ['acquire: UNSUPPORTED', 500],
  ['too new', 800],
  ['repeated', 500],
  ['another request', 500],
  ['refused as before', 20],
  ['unknownRequest: UNSUPPORTED', 60],
  ['left expired', 200],
  ['left forced', 800],
  ['left found', 40],
  ['left timeout', 1_000],
  ['left upgraded', 300],
  ['cancelled what waited', 200],
  ['cancelled what was granted', 200],
  ['update: done', 300],
  ['downgrade: done', 250],
  ['forceRelease: done', 150],
  ['requestRelease: done', 150],
  ['suspend: done', 250],
  ['resumed', 60],
  ['waits for a suspension', 100],
  ['suspension is over', 100],
  ['rest', 500],
  ['waits for a rest', 500],
  ['rest is over', 1_000],
  ['lock delay', 150],
  ['minimum hold', 700],
  ['heir', 80],
  ['stolen', 300],
  ['reentrant', 80],
  ['reader behind a writer', 60],
  ['stood before others by priority', 150],
  ['waits to upgrade', 40],
  ['upgrade behind another', 10],
  ['fits, behind a greater', 40],
  ['deadlock of exclusive', 60],
  ['deadlock of shared', 60],
  ['deadlock of permits', 15],
  ['deadlock of one that is free', 10],
  ['found while it waited', 40],
  ['found no more', 4],
  ['result is over', 100],
]

/** How often a command came to something, and a rule decided. */
const tally = new Map<string, number>()

function count(what: string, times = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + times)
}

function play(story: readonly Batch[], workMax?: number): void {
  const machine = new CheckedMachine(workMax)
  const twin = new Twin(workMax)
  for (const batch of story) {
    const applied = machine.apply(batch)
    assert.deepEqual(appliedInWords(applied), twin.apply(batch))
    assert.deepEqual(membersOf(machine), twin.membersById())
    assert.deepEqual(disksOf(machine), twin.disksByNode())
    assert.equal(machine.incarnation.number, twin.incarnation)
    applied.verdicts.forEach((verdict, k) => {
      count(`${batch.commands[k]!.op}: ${outcome(verdict)}`)
    })
    for (const { kind, reason } of applied.changes) count(`${kind} ${reason}`)
  }
  assert.deepEqual(interventionsInWords(machine), twin.interventions)
  for (const { id, losses } of twin.sessions) {
    const known = machine.sessions.get(id)!.losses.map(({ token, note }) => `${token} '${note}'`)
    assert.deepEqual(known, losses)
  }
  for (const [rule, times] of twin.tally) count(rule, times)
}

describe('the machine', () => {
  it('answers like its dumb twin, whatever is asked, and keeps its invariants', (t) => {
    const numRuns = 1_500
    fc.assert(
      fc.property(batches, (story) => play(story)),
      { numRuns },
    )
    for (const [what] of OFTEN_ENOUGH) t.diagnostic(`${what}: ${tally.get(what) ?? 0} times`)
    const seldom = OFTEN_ENOUGH.filter(([what, times]) => (tally.get(what) ?? 0) < (times * numRuns) / 1_000)
    assert.deepEqual(
      seldom.map(([what, times]) => `${what}: ${tally.get(what) ?? 0}, not ${times}`),
      [],
    )
  })

  for (const workMax of [1, 2, 5])
    it(`answers like it, too, if a batch does no more than ${workMax} of what is due`, () => {
      fc.assert(
        fc.property(batchesWith(workMax), (story) => play(story, workMax)),
        { numRuns: 400 },
      )
      assert.ok(tally.get('left to the next batch')! > 100, 'batches leave something to the next')
    })

  it('is the same however the log was cut into batches', () => {
    const property = fc.property(batches, (story) => {
      const whole = new CheckedMachine()
      const cut = new CheckedMachine()
      for (const { at, commands } of story) {
        const together = appliedInWords(whole.apply({ at, commands }))
        const apart = commands.map((each) => appliedInWords(cut.apply({ at, commands: [each] })))
        if (commands.length === 0) apart.push(appliedInWords(cut.apply({ at, commands })))
        for (const said of ['verdicts', 'events', 'changes'] as const) {
          assert.deepEqual(
            apart.flatMap((each) => each[said]),
            together[said],
          )
        }
      }
      assert.deepEqual({ ...portrait(cut), digest: 0 }, { ...portrait(whole), digest: 0 })
    })
    fc.assert(property, { numRuns: 300 })
  })
})
