import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkMachine } from '../../src/machine/inspection/invariants.js'
import type { Machine } from '../../src/machine/machine.js'
import { acquire, machineWith } from './commands.js'

/** Session 1 holds the door, 2 waits without, 3 with a limit. */
function busyMachine(): Machine {
  const machine = machineWith(3)
  machine.apply({ at: 1_000, commands: [acquire(1), acquire(2), acquire(3, { waitMs: 500 })] })
  return machine
}

describe('the invariants notice', () => {
  const damages: readonly (readonly [string, RegExp, (machine: Machine) => void])[] = [
    ['a token counter that was set back', /P2/, (m) => setBack(m, { nextToken: 1 })],
    ['a claim counter that was set back', /drawn from the counter/, (m) => setBack(m, { nextId: 2 })],
    ['a waiter who overtook', /P3/, (m) => reorder(m)],
    ['a waiter forgotten at a free name', /P4/, (m) => m.claims.leave(m.claims.get(1)!)],
    ['a waiter given the lock beside its holder', /P1/, (m) => grantSecond(m)],
    ['a session that nothing will end', /expiry is on the agenda/, (m) => forget(m)],
    ['a slot that lost its claim', /P5/, (m) => m.sessions.get(2)!.slots.clear()],
    ['a claim its session does not know', /known to its session/, (m) => disown(m)],
    ['a claim that its session has lost count of', /count of its claims/, (m) => unlink(m)],
  ]
  for (const [what, message, damage] of damages) {
    it(what, () => {
      const machine = busyMachine()
      checkMachine(machine)
      damage(machine)
      assert.throws(() => checkMachine(machine), message)
    })
  }
})

function reorder(machine: Machine): void {
  const { waiting } = machine.claims.queues.get('door')!
  const first = waiting.first!
  waiting.remove(first)
  waiting.append(first)
}

function grantSecond(machine: Machine): void {
  const { granted, waiting } = machine.claims.queues.get('door')!
  const first = waiting.first!
  waiting.remove(first)
  granted.append(first)
}

function forget(machine: Machine): void {
  machine.agenda.remove(machine.sessions.get(1)!.expiry)
}

function disown(machine: Machine): void {
  machine.sessions.get(2)!.claims.remove(machine.claims.get(2)!)
}

/** Whoever goes along the claims of session 1 does not come to the newer one. */
function unlink(machine: Machine): void {
  machine.apply({ at: 1_000, commands: [acquire(1, { slot: 2, names: ['gate'] })] })
  machine.claims.get(1)!.nextOfSession = undefined
}

function setBack(machine: Machine, counters: { nextId?: number; nextToken?: number }): void {
  Object.assign(machine.claims, counters)
}
