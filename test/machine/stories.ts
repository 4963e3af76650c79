import fc from 'fast-check'
import type { Batch, Command } from '../../src/machine/command.js'
import type { Machine } from '../../src/machine/machine.js'
import { EXCLUSIVE } from './commands.js'

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

const member = fc.integer({ min: 1, max: 3 })
const address = fc.constantFrom('a:1', 'a:2')
const describes = fc
  .record({ node: member, peer: address, client: address })
  .map((it): Command => ({ op: 'describe', ...it }))
const forgets = member.map((node): Command => ({ op: 'forget', node }))

const identifies = fc
  .record({ node: member, disk: fc.integer({ min: 1, max: 2 }) })
  .map((it): Command => ({ op: 'identify', ...it }))
const raises = fc.constant<Command>({ op: 'raise', level: 1 })

const command = fc.oneof(
  { weight: 1, arbitrary: identifies },
  { weight: 1, arbitrary: raises },
  { weight: 1, arbitrary: describes },
  { weight: 1, arbitrary: forgets },
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
/** Logs of a cluster's life, with time passing between batches. */
export const batches = fc.array(step, { maxLength: 40, size: 'max' }).map((steps) => {
  let { at } = FIRST
  const story = [FIRST]
  for (const { afterMs, commands } of steps) {
    at += afterMs
    story.push({ at, commands })
  }
  return story
})

/** In the order of their ids. */
export function membersOf(machine: Machine): { id: number; peer: string; client: string }[] {
  const members = [...machine.members.values()].map(({ id, peer, client }) => ({ id, peer, client }))
  return members.sort((a, b) => a.id - b.id)
}

/** In the order of the nodes' ids. */
export function disksOf(machine: Machine): { node: number; disk: number }[] {
  const disks = [...machine.disks.all].map(([node, disk]) => ({ node, disk }))
  return disks.sort((a, b) => a.node - b.node)
}

/** All there is to see of a machine from outside. */
export function portrait(machine: Machine): object {
  const { nextId, nextToken } = machine.claims
  const byId = [...machine.sessions.values()].sort((a, b) => a.id - b.id)
  const sessions = byId.map(({ id, slots }) => [
    machine.session(id),
    [...slots].map(([number, { seq, answer }]) => [number, seq, answer]).sort(),
  ])
  const names = machine.names('', '', 100)
  const { level, digest } = machine
  const nodes = { members: membersOf(machine), disks: disksOf(machine), level }
  return { nextId, nextToken, sessions, names, ...nodes, due: machine.nextDeadline(), digest }
}
