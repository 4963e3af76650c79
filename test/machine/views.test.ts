import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { emptyView } from '../../src/machine/inspection/views.js'
import { LIMITS } from '../../src/machine/language/limits.js'
import { acquire, EXCLUSIVE, machineWith } from './commands.js'

describe('looking at the machine', () => {
  it('shows who holds a name, since when, and who is next', () => {
    const machine = machineWith(2)
    machine.do(acquire(1, { label: 'nightly payout' }), 2_000)
    machine.do(acquire(2, { label: 'by hand' }), 3_000)
    const plain = { data: '', owner: '', priority: 0, holds: 1, seats: [] }
    const common = { ...plain, names: ['door'], mode: EXCLUSIVE, expiresAt: 11_000 }
    const holder = {
      claim: 1,
      session: 1,
      sessionLabel: 'client 101',
      label: 'nightly payout',
      token: 1,
      since: 2_000,
    }
    const waiter = {
      claim: 2,
      session: 2,
      sessionLabel: 'client 102',
      label: 'by hand',
      token: undefined,
      since: 3_000,
    }
    assert.deepEqual(machine.name('door'), {
      ...emptyView('door'),
      holders: [{ ...holder, ...common }],
      holderCount: 1,
      waiters: [{ ...waiter, ...common }],
      waiterCount: 1,
    })
    assert.deepEqual(machine.session(2), {
      session: 2,
      label: 'client 102',
      ttlMs: 10_000,
      openedAt: 1_000,
      expiresAt: 11_000,
      claims: [{ ...waiter, ...common }],
      claimCount: 1,
    })
  })

  it('shows the first hundred of a crowd, and its full count', () => {
    const machine = machineWith(1)
    for (let slot = 0; slot <= 150; slot++) machine.do(acquire(1, { slot }))
    assert.equal(machine.name('door')?.waiters.length, LIMITS.claimsShownMax)
    assert.equal(machine.name('door')?.waiterCount, 150)
    assert.equal(machine.session(1)?.claims.length, LIMITS.claimsShownMax)
    assert.equal(machine.session(1)?.claimCount, 151)
  })

  it('lists names page by page in order, each once, whatever order they came in', () => {
    const machine = machineWith(1)
    const numbers = Array.from({ length: 500 }, (_, i) => (i * 263) % 500)
    const names = numbers.map((i) => `orders/${String(i).padStart(3, '0')}`)
    names.push('order', 'orders', 'payouts/1')
    names.forEach((name, i) => {
      machine.do(acquire(1, { slot: i, names: [name] }))
    })
    const listed: string[] = []
    for (let more = true; more; ) {
      const page = machine.names('orders/', listed.at(-1) ?? '', 7)
      listed.push(...[...page.views].map((view) => view.name))
      more = page.more
    }
    assert.deepEqual(listed, names.filter((name) => name.startsWith('orders/')).sort())
    const { views, more } = machine.names('nobody', '', 7)
    assert.deepEqual([[...views], more], [[], false])
  })
})
