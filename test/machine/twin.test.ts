import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Batch, Command, Verdict } from '../../src/machine/command.js'
import { CheckedMachine, EXCLUSIVE } from './commands.js'
import { inTwinWords, Twin } from './twin.js'

// Few sessions, slots, names and tokens, so that commands meet: repeats, stale ones, strangers, crossings.
const session = fc.integer({ min: 1, max: 5 })
const key = (id: number, foreign: boolean): number => 100 + id + (foreign ? 1 : 0)
const foreign = fc.integer({ min: 0, max: 19 }).map((n) => n === 0)
const request = fc
  .record({ session, foreign, slot: fc.integer({ min: 0, max: 2 }), seq: fc.integer({ min: 1, max: 6 }) })
  .map(({ foreign: isForeign, ...rest }) => ({ ...rest, key: key(rest.session, isForeign) }))
const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
const waitMs = fc.constantFrom(undefined, 0, 50, 100, 300, 1_000)

const opens = fc
  .record({ key: fc.integer({ min: 101, max: 105 }), ttlMs: fc.constantFrom(100, 300, 1_000) })
  .map((open): Command => ({ op: 'open', label: '', ...open }))
const speaks = fc
  .record({
    op: fc.constantFrom('keepAlive' as const, 'keepAlive' as const, 'close' as const),
    session,
    foreign,
  })
  .map((it): Command => ({ op: it.op, session: it.session, key: key(it.session, it.foreign) }))
const acquires = fc.record({ request, names, waitMs }).map(
  (it): Command => ({
    op: 'acquire',
    ...it.request,
    names: it.names,
    waitMs: it.waitMs,
    mode: EXCLUSIVE,
    label: '',
  }),
)
const releases = fc
  .record({ request, token: fc.integer({ min: 1, max: 12 }) })
  .map((it): Command => ({ op: 'release', ...it.request, token: it.token }))
const cancels = request.map((it): Command => ({ op: 'cancel', ...it }))

const command = fc.oneof(
  { weight: 2, arbitrary: opens },
  { weight: 2, arbitrary: speaks },
  { weight: 6, arbitrary: acquires },
  { weight: 3, arbitrary: releases },
  { weight: 2, arbitrary: cancels },
)
const FIRST: Batch = {
  at: 10,
  commands: [101, 102, 103, 104].map((each) => ({ op: 'open', key: each, ttlMs: 1_000, label: '' })),
}
const step = fc.record({
  afterMs: fc.constantFrom(0, 1, 50, 100, 300),
  commands: fc.array(command, { maxLength: 6, size: 'max' }),
})
const batches = fc.array(step, { maxLength: 40, size: 'max' }).map((steps) => {
  let { at } = FIRST
  const story = [FIRST]
  for (const { afterMs, commands } of steps) {
    at += afterMs
    story.push({ at, commands })
  }
  return story
})

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

/** All there is to see from outside. */
function portrait(machine: CheckedMachine): object {
  const { nextId, nextToken } = machine.claims
  const sessions = [...machine.sessions.values()].map(({ id, slots }) => [machine.session(id), [...slots]])
  return { nextId, nextToken, sessions, names: machine.names('', '', 100), due: machine.nextDeadline() }
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
      assert.deepEqual(portrait(cut), portrait(whole))
    })
    fc.assert(property, { numRuns: 300 })
  })
})
