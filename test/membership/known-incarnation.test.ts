import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Machine } from '../../src/machine/machine.js'
import { INCARNATION_SINCE } from '../../src/machine/roster/feature-level.js'
import { knownIncarnation, noteIncarnation } from '../../src/membership/known-incarnation.js'
import type { IdentityFacts } from '../../src/replica/ports.js'

/** Counts what is saved. */
function identity() {
  const store = {
    saved: 0,
    facts: { disk: 1, accusers: [], wasMember: true, met: [], incarnation: 0 } as IdentityFacts,
    save: async (facts: IdentityFacts) => {
      store.facts = facts
      store.saved++
    },
  }
  return store
}

test('the incarnation of the cluster is written down once, and is known after a restart that has applied nothing', async () => {
  const store = identity()
  const machine = new Machine()
  await noteIncarnation(machine, store)
  assert.equal(store.saved, 0)
  machine.apply({ at: 1, commands: [{ op: 'raise', level: INCARNATION_SINCE }] })
  machine.apply({ at: 2, commands: [{ op: 'begin', incarnation: 77, wallMs: 1_800_000_000_000 }] })
  await noteIncarnation(machine, store)
  await noteIncarnation(machine, store)
  assert.equal(store.saved, 1)
  assert.ok(store.facts.wasMember, 'nothing else is changed')
  assert.equal(knownIncarnation(machine, store), 77)
  assert.equal(knownIncarnation(new Machine(), store), 77)
})
