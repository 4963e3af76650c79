/**
 * Logs of a cluster's life, made at random. Few sessions, slots and names, so that commands meet: repeats, stale ones,
 * strangers, crossings. What a command refers to (a token, a waiter, the next number of a slot) is picked from what a twin
 * has by then, so that most of them mean something.
 */
import fc from 'fast-check'
import type {
  Acquire,
  Batch,
  Command,
  Mode,
  RequestId,
  Succession,
} from '../../src/machine/language/command.js'
import { checkCommand } from '../../src/machine/language/validate.js'
import type { Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { terms as termsOf } from './commands.js'
import { Twin } from './twin.js'
import { isHeld, type TwinClaim } from './twin-names.js'

/** A command that still has to be told what it refers to. */
type Wish = (twin: Twin) => Command

const SESSIONS = 5
const SLOTS = 4
const seldom = fc.integer({ min: 0, max: 19 }).map((n) => n === 0)
const pick = fc.nat(1_000)

const opens = fc
  .record({ key: fc.integer({ min: 101, max: 100 + SESSIONS }), ttlMs: fc.constantFrom(300, 1_000, 3_000) })
  .map(
    (it): Wish =>
      () => ({ op: 'open', label: '', ...it }),
  )

interface Speaker {
  readonly session: number
  readonly who: 'itself' | 'a stranger' | 'the past'
  readonly slot: number
  readonly turn: 'next' | 'same' | 'stale' | 'ahead'
}

const speaker: fc.Arbitrary<Speaker> = fc.record({
  session: fc.nat(SESSIONS - 1),
  who: fc.integer({ min: 0, max: 39 }).map((n) => (n === 0 ? 'a stranger' : n === 1 ? 'the past' : 'itself')),
  slot: fc.nat(SLOTS - 1),
  turn: fc
    .integer({ min: 0, max: 15 })
    .map((n) => (['same', 'same', 'stale', 'ahead'] as const)[n] ?? 'next'),
})

/** Mostly of a session that lives, with the next number of a slot that is free. */
function requestOf({ session, who, slot, turn }: Speaker, twin: Twin): RequestId {
  const live = who === 'the past' ? undefined : among(twin.sessions, session)
  const id = live?.id ?? session + 1
  const known = twin.answers.filter((each) => each.session === id)
  const isBusy = (number: number): boolean =>
    known.some((each) => each.slot === number && each.answer.startsWith('queued'))
  const slots = Array.from({ length: SLOTS }, (_, k) => (slot + k) % SLOTS)
  const chosen = turn === 'next' ? (slots.find((number) => !isBusy(number)) ?? slot) : slot
  const newest = known.find((each) => each.slot === chosen)?.seq ?? 0
  const seq = { next: newest + 1, same: newest, stale: newest - 1, ahead: newest + 2 }[turn]
  const key = (live?.key ?? 100 + id) + (who === 'a stranger' ? 1 : 0)
  return { session: id, key, slot: chosen, seq: Math.max(seq, 1) }
}

const speaks = fc
  .record({ by: speaker, op: fc.integer({ min: 0, max: 5 }).map((n) => (n === 0 ? 'close' : 'keepAlive')) })
  .map(
    ({ by, op }): Wish =>
      (twin) => {
        const { session, key } = requestOf(by, twin)
        return { op, session, key }
      },
  )

const LOCKS = ['a', 'b', 'c'] as const
const waitMs = fc.constantFrom(undefined, undefined, undefined, 0, 50, 100, 300, 1_000)
const label = fc.constantFrom('', 'x')
const owner = fc.constantFrom('', 'p', 'q')
const lock: fc.Arbitrary<Mode> = fc.constantFrom('exclusive', 'exclusive', 'shared').map((kind) => ({ kind }))
const names = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...LOCKS).map((name) => [name]) },
  { weight: 2, arbitrary: fc.uniqueArray(fc.constantFrom(...LOCKS), { minLength: 2, maxLength: 3 }) },
)
const rests = fc.record({
  lockDelayMs: fc.constantFrom(0, 0, 0, 50, 200),
  minHoldMs: fc.constantFrom(0, 0, 0, 60, 250),
})

type Asked = Pick<Acquire, 'names' | 'mode'> & { terms?: Acquire['terms'] }

const plain = names.map((several): Asked => ({ names: several, mode: { kind: 'exclusive' } }))
const onTerms = fc
  .record({
    names,
    mode: lock,
    owner,
    rests,
    data: fc.constantFrom('', 'd'),
    priority: fc.constantFrom(0, 0, 0, 1, 5),
    reentrant: fc.constantFrom(false, false, true),
  })
  .map((it): Asked => {
    const { names: several, mode, rests: resting, reentrant, ...other } = it
    const isReentrant = reentrant && other.owner !== ''
    return {
      names: several,
      mode,
      terms: termsOf({ ...resting, ...other, reentrant: isReentrant }),
    }
  })
const readers = fc
  .record({ names, owner })
  .map((it): Asked => ({ names: it.names, mode: { kind: 'shared' }, terms: termsOf({ owner: it.owner }) }))
const thieves = fc.record({ names, rests }).map(
  (it): Asked => ({
    names: it.names,
    mode: { kind: 'exclusive' },
    terms: termsOf({ ...it.rests, steal: true }),
  }),
)
const permits = fc
  .record({
    permits: fc.integer({ min: 1, max: 3 }),
    otherCapacity: seldom,
    owner,
    rests,
    name: fc.constantFrom('s', 's', 's', 't'),
  })
  .map(
    (it): Asked => ({
      names: [it.name],
      mode: { kind: 'permits', permits: it.permits, of: it.otherCapacity ? 5 : 3 },
      terms: termsOf({ ...it.rests, owner: it.owner }),
    }),
  )
const once = fc.record({ other: seldom, rests }).map(
  (it): Asked => ({
    names: ['k'],
    mode: { kind: 'exclusive' },
    terms: termsOf({ ...it.rests, fingerprint: it.other ? 'other' : 'work' }),
  }),
)
const members = fc
  .constantFrom('g', 'a', 's', 'k')
  .map((name): Asked => ({ names: [name], mode: { kind: 'member' } }))
/** Uses that do not go together. */
const mixed = fc
  .record({ names: fc.constantFrom(['s'], ['k'], ['a', 'k'], ['b', 's']), mode: lock })
  .map((it): Asked => it)

const asked = fc.oneof(
  { weight: 5, arbitrary: plain },
  { weight: 6, arbitrary: onTerms },
  { weight: 3, arbitrary: readers },
  { weight: 2, arbitrary: thieves },
  { weight: 5, arbitrary: permits },
  { weight: 3, arbitrary: once },
  { weight: 1, arbitrary: members },
  { weight: 1, arbitrary: mixed },
)
const acquires = fc.record({ by: speaker, asked, waitMs, label }).map(({ by, asked: what, ...it }): Wish => {
  const isMember = what.mode.kind === 'member'
  return (twin) => ({
    op: 'acquire',
    ...requestOf(by, twin),
    ...what,
    ...it,
    waitMs: isMember ? undefined : it.waitMs,
  })
})

/** By whoever holds what is to be upgraded, most of the time; of its names, in any order. */
const upgrades = fc.record({ by: speaker, pick, owner, waitMs, strange: seldom, turned: fc.boolean() }).map(
  (it): Wish =>
    (twin) => {
      const base = among(
        twin.claims.filter((claim) => isHeld(claim) && claim.kind === 'shared'),
        it.pick,
      )
      const known = base?.names ?? ['a']
      return {
        op: 'acquire',
        ...requestOf(it.strange ? it.by : ofSession(it.by, base, twin), twin),
        names: it.turned ? [...known].reverse() : known,
        mode: { kind: 'exclusive' },
        waitMs: it.waitMs,
        label: '',
        terms: termsOf({ upgrades: base?.token ?? 1, owner: it.owner }),
      }
    },
)

/** The same owner once more, for one of the names that it holds, or all. */
const reenters = fc.record({ by: speaker, pick, mode: lock, one: fc.boolean() }).map(
  ({ by, pick: which, mode, one }): Wish =>
    (twin) => {
      const owned = twin.claims.filter(({ kind, terms }) => terms.owner !== '' && kind !== 'permits')
      const base = among(owned, which)
      return {
        op: 'acquire',
        ...requestOf(ofSession(by, base, twin), twin),
        names: one ? (base?.names.slice(0, 1) ?? ['a']) : (base?.names ?? ['b']),
        mode,
        waitMs: undefined,
        label: '',
        terms: termsOf({ owner: base?.terms.owner ?? 'p', reentrant: true }),
      }
    },
)

/** What somebody does with a claim that is held: mostly its own session. */
const holding = fc.record({ by: speaker, pick, strange: seldom })

function onHeld(
  { by, pick: which, strange }: { by: Speaker; pick: number; strange: boolean },
  twin: Twin,
): RequestId & { readonly token: number; readonly claim: TwinClaim | undefined } {
  const claim = among(twin.claims.filter(isHeld), which)
  const token = claim?.token ?? 1 + (which % 12)
  return { ...requestOf(strange ? by : ofSession(by, claim, twin), twin), token, claim }
}

const restMs = fc.constantFrom(0, 0, 50, 200)
const releases = fc
  .record({
    on: holding,
    plain: fc.boolean(),
    restMs,
    heir: pick,
    hasHeir: fc.boolean(),
    data: fc.constantFrom('done', ''),
    keepMs: fc.constantFrom(60, 300, 1_000),
    strange: seldom,
  })
  .map(
    (it): Wish =>
      (twin) => {
        const { claim, ...request } = onHeld(it.on, twin)
        if (it.plain) return { op: 'release', ...request }
        const followers = twin.claims.filter((each) => !isHeld(each) && claim?.names.includes(each.names[0]!))
        const isOnce = claim?.terms.fingerprint !== undefined
        const succession: Succession = {
          heir: it.hasHeir ? (among(followers, it.heir)?.id ?? 0) : 0,
          restMs: it.restMs,
          result: isOnce !== it.strange ? { data: it.data, keepMs: it.keepMs } : undefined,
        }
        return { op: 'release', ...request, succession }
      },
  )
const updates = fc.record({ on: holding, data: fc.constantFrom('e', 'f') }).map(
  (it): Wish =>
    (twin) => {
      const { claim, ...request } = onHeld(it.on, twin)
      return { op: 'update', ...request, data: it.data }
    },
)
const downgrades = holding.map(
  (it): Wish =>
    (twin) => {
      const { claim, ...request } = onHeld(it, twin)
      return { op: 'downgrade', ...request }
    },
)

const interventions = fc
  .record({
    by: speaker,
    op: fc.constantFrom('forceRelease', 'requestRelease', 'suspend', 'resume', 'resume'),
    pick,
    name: fc.constantFrom('a', 'b', 's', 'k', 'g'),
    ofOne: fc.boolean(),
    forMs: fc.constantFrom(undefined, 40, 150),
    note: fc.constantFrom('', 'why'),
  })
  .map(
    (it): Wish =>
      (twin) => {
        const claim = among(twin.claims.filter(isHeld), it.pick)
        const suspended = among(
          twin.remains.filter(({ kind }) => kind === 'suspension'),
          it.pick,
        )
        const token = it.ofOne ? (claim?.token ?? 1) : 0
        const name = it.ofOne && it.pick % 8 > 0 ? (claim?.names[0] ?? it.name) : it.name
        const request = { ...requestOf(it.by, twin), name, note: it.note }
        if (it.op === 'suspend') return { op: 'suspend', ...request, forMs: it.forMs }
        if (it.op === 'resume') return { op: 'resume', ...request, name: suspended?.name ?? name }
        return { op: it.op as 'forceRelease', ...request, token }
      },
  )

/** Of what waits, most of the time. */
const cancels = fc.record({ by: speaker, pick, strange: seldom }).map(
  (it): Wish =>
    (twin) => {
      const known = among(twin.answers, it.pick)
      const session = twin.sessions.find(({ id }) => id === known?.session)
      if (it.strange || known === undefined || session === undefined)
        return { op: 'cancel', ...requestOf(it.by, twin) }
      return { op: 'cancel', session: session.id, key: session.key, slot: known.slot, seq: known.seq }
    },
)

/** The newest of a slot as it was; or with the same numbers what a newer version knows; or what was refused because it waited. */
const repeats = fc.record({ by: speaker, pick, how: fc.constantFrom('same', 'same', 'unknown', 'next') }).map(
  (it): Wish =>
    (twin) => {
      const known = among(twin.answers, it.pick)
      if (known === undefined) return { op: 'unknownRequest', ...requestOf(it.by, twin) }
      const { session, key, slot, seq } = known.command
      if (it.how === 'unknown') return { op: 'unknownRequest', session, key, slot, seq }
      if (it.how === 'next') return { ...known.command, seq: seq + 1 }
      return known.command
    },
)

const node = fc.integer({ min: 1, max: 3 })
const address = fc.constantFrom('x:1', 'x:2')
const nodes = fc.oneof(
  fc.record({ node, peer: address, client: address }).map(
    (it): Wish =>
      () => ({ op: 'describe', ...it }),
  ),
  node.map(
    (id): Wish =>
      () => ({ op: 'forget', node: id }),
  ),
  fc.record({ node, disk: fc.integer({ min: 1, max: 2 }) }).map(
    (it): Wish =>
      () => ({ op: 'identify', ...it }),
  ),
  // Not to those between, on which fewer deadlocks are found.
  fc.constantFrom(1, FEATURE_LEVEL).map(
    (level): Wish =>
      () => ({ op: 'raise', level }),
  ),
  fc.integer({ min: 1, max: 2 }).map(
    (incarnation): Wish =>
      () => ({ op: 'begin', incarnation, wallMs: 1 }),
  ),
)

const wish = fc.oneof(
  { weight: 2, arbitrary: nodes },
  { weight: 2, arbitrary: opens },
  { weight: 3, arbitrary: speaks },
  { weight: 18, arbitrary: acquires },
  { weight: 3, arbitrary: upgrades },
  { weight: 1, arbitrary: reenters },
  { weight: 9, arbitrary: releases },
  { weight: 1, arbitrary: updates },
  { weight: 2, arbitrary: downgrades },
  { weight: 3, arbitrary: interventions },
  { weight: 3, arbitrary: cancels },
  { weight: 2, arbitrary: repeats },
)

const FIRST: readonly Command[] = [101, 102, 103, 104].map((key) => ({
  op: 'open',
  key,
  ttlMs: 2_000,
  label: '',
}))
const step = fc.record({
  afterMs: fc.constantFrom(0, 0, 1, 50, 100, 300),
  wishes: fc.array(wish, { maxLength: 8, size: 'max' }),
})
/**
 * Logs of a cluster's life, with time passing between batches. Most begin on the newest feature level. `workMax`: how much
 * one batch does of what nobody asked for in it.
 */
export const batchesWith = (workMax: number): fc.Arbitrary<Batch[]> =>
  fc
    .record({ steps: fc.array(step, { maxLength: 40, size: 'max' }), isOld: seldom })
    .map(({ steps, isOld }) => {
      const twin = new Twin(workMax)
      const story: Batch[] = [
        { at: 10, commands: isOld ? FIRST : [{ op: 'raise', level: FEATURE_LEVEL }, ...FIRST] },
      ]
      twin.apply(story[0]!)
      for (const { afterMs, wishes } of steps) {
        twin.at += afterMs
        twin.begin()
        const commands = wishes.map((each) => fulfilled(each, twin))
        story.push({ at: twin.at, commands })
      }
      return story
    })

export const batches = batchesWith(1_000)

/** What is refused at sight has a table of its own. */
function fulfilled(wish: Wish, twin: Twin): Command {
  const wished = wish(twin)
  const problem = wished.op === 'unknownRequest' ? undefined : checkCommand(wished)
  if (problem !== undefined) throw new Error(`${problem.message}: ${JSON.stringify(wished)}`)
  twin.perform(wished)
  return wished
}

function among<T>(several: readonly T[], which: number): T | undefined {
  return several[which % Math.max(several.length, 1)]
}

/** As the session that the claim is of. */
function ofSession(by: Speaker, claim: TwinClaim | undefined, twin: Twin): Speaker {
  const index = twin.sessions.findIndex(({ id }) => id === claim?.session)
  return index < 0 ? by : { ...by, session: index }
}

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

/** All there is to see of a machine from outside, and what it will decide by later. */
export function portrait(machine: Machine): object {
  const { nextId, nextToken, dataLength } = machine.claims
  const byId = [...machine.sessions.values()].sort((a, b) => a.id - b.id)
  const sessions = byId.map(({ id, slots, losses, tasks }) => [
    machine.session(id),
    [...slots]
      .map(([number, { seq, hash, answer, refusedSeq }]) => [number, seq, hash, answer, refusedSeq])
      .sort(),
    losses,
    [...tasks]
      .map(([owner, { held, waiting }]) => [owner, held, [...waiting].map(({ id: each }) => each)])
      .sort(),
  ])
  const claims = [...machine.claims.values()].sort((a, b) => a.id - b.id)
  const ranks = claims.map(({ id, rank, terms }) => [id, rank, terms])
  const { views, more } = machine.names('', '', 100)
  const names = { views: [...views], more }
  const remains = [...machine.remains.values()].map(({ id, kind, name, until }) => [
    id,
    kind,
    name,
    until?.at,
  ])
  const { level, digest, revision } = machine
  const { number, awaitedAfter } = machine.incarnation
  const nodes = {
    members: membersOf(machine),
    disks: disksOf(machine),
    level,
    revision,
    number,
    awaitedAfter,
  }
  const counters = {
    nextId,
    nextToken,
    dataLength,
    heldBytes: machine.heldBytes,
    kept: machine.remains.dataLength,
    candidates: machine.claims.candidates,
  }
  const state = { sessions, ranks, names, remains: remains.sort(), interventions: machine.interventions.all }
  return { ...counters, ...state, ...nodes, due: machine.nextDeadline(), digest }
}
