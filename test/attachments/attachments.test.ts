import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Attachments } from '../../src/attachments/attachments.js'
import type { Verdict } from '../../src/machine/language/command.js'
import { HandDrivenNode, open } from '../replica/hand-driven.js'

const GRANTED = { kind: 'granted', claim: 5, token: 9 } as const
const DECIDED = { kind: 'decided', claim: 5, outcome: GRANTED } as const

describe('attachments: who waits for what the log brings', () => {
  it('tells everybody who waits for a claim, each once', () => {
    const attachments = new Attachments()
    const told: string[] = []
    attachments.onDecided(5, ({ kind }) => told.push(`a ${kind}`))
    attachments.onDecided(5, ({ kind }) => told.push(`b ${kind}`))
    attachments.onDecided(6, ({ kind }) => told.push(`another ${kind}`))
    attachments.onEvents([DECIDED])
    attachments.onEvents([DECIDED])
    assert.deepEqual(told, ['a granted', 'b granted'])
  })

  it('does not tell those who have left, even if one leaves while another is told', () => {
    const attachments = new Attachments()
    const told: string[] = []
    const leave = attachments.onDecided(5, () => told.push('left before'))
    attachments.onDecided(5, () => {
      told.push('a')
      leaveB()
    })
    const leaveB = attachments.onDecided(5, () => told.push('b'))
    leave()
    attachments.onEvents([DECIDED])
    assert.deepEqual(told, ['a'])
  })

  it('keeps a newcomer who listens under a key that somebody else leaves late', () => {
    const attachments = new Attachments()
    const told: string[] = []
    const leave = attachments.onSessionEnded(1, () => told.push('first'))
    attachments.onEvents([{ kind: 'sessionEnded', session: 1, reason: 'closed' }])
    attachments.onSessionEnded(1, () => told.push('second'))
    leave()
    attachments.onEvents([{ kind: 'sessionEnded', session: 1, reason: 'expired' }])
    assert.deepEqual(told, ['first', 'second'])
  })

  it('tells a session of each notice, until it stops listening', () => {
    const attachments = new Attachments()
    const told: string[] = []
    const leave = attachments.onNoticed(1, ({ kind, token }) => told.push(`${kind} ${token}`))
    const noticed = (session: number, kind: 'lost' | 'asked', token: number) => {
      attachments.onEvents([{ kind: 'noticed', session, notice: { kind, token, note: '' } }])
    }
    noticed(1, 'asked', 5)
    noticed(2, 'asked', 6)
    noticed(1, 'lost', 5)
    leave()
    noticed(1, 'lost', 7)
    assert.deepEqual(told, ['asked 5', 'lost 5'])
  })

  it('keeps claims and sessions of the same number apart', () => {
    const attachments = new Attachments()
    const told: string[] = []
    attachments.onSessionEnded(5, (reason) => told.push(reason))
    attachments.onEvents([DECIDED])
    assert.deepEqual(told, [])
    attachments.onEvents([{ kind: 'sessionEnded', session: 5, reason: 'expired' }])
    assert.deepEqual(told, ['expired'])
  })

  it('misses nothing: a claim that is queued and granted in one entry finds its asker listening', async () => {
    const node = await HandDrivenNode.leading()
    const acquire = { op: 'acquire', names: ['a'], mode: { kind: 'exclusive' }, waitMs: undefined } as const
    const first = { ...acquire, session: 1, key: 7, slot: 0, seq: 1, label: '' }
    const second = { ...first, slot: 1 }
    const told: string[] = []
    node.submit(open(7), first)
    node.proposals.submit(second, {
      gone: false,
      settle: (verdict: Verdict) => {
        told.push(verdict.kind)
        if (verdict.kind === 'queued')
          node.attachments.onDecided(verdict.claim, ({ kind }) => told.push(kind))
      },
    })
    node.submit({ op: 'release', session: 1, key: 7, slot: 0, seq: 2, token: 1 })
    await node.clock.turn()
    assert.equal(node.logged.length, 1)
    assert.deepEqual(told, ['queued', 'granted'])
  })
})
