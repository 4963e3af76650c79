/**
 * What is true of a machine between any two batches. Walks all of it, so it is for tests and the
 * simulation; throws with the figures at the first thing that is not so.
 */
import { assert } from '../assert.js'
import { isGrantable, useOf } from '../grant-rule.js'
import { BYTES, claimBytes, remainsBytes, sessionBytes } from '../held-bytes.js'
import type { Machine } from '../machine.js'
import type { Claim, Line, Place, Queue } from '../queues.js'
import type { Remains } from '../remains.js'
import { STEPS_SINCE } from '../roster/feature-level.js'
import { isOver, type Session } from '../sessions.js'

export function checkMachine(machine: Machine): void {
  for (const queue of machine.claims.queues.values()) checkQueue(machine, queue)
  for (const claim of machine.claims.values()) checkClaim(machine, claim)
  for (const session of machine.sessions.values()) checkSession(machine, session)
  checkOwnership(machine)
  for (const remains of machine.remains.values()) checkRemains(machine, remains)
  checkAgenda(machine)
  checkHeldBytes(machine)
}

function checkQueue(machine: Machine, queue: Queue): void {
  const { name, granted, waiting, members } = queue
  assert(!queue.isEmpty, 'a queue that nobody stands in, and nothing is left of, does not exist', { name })
  const holders = checkLine(machine, queue, granted)
  checkHolders(queue, holders)
  const group = members === undefined ? [] : checkLine(machine, queue, members)
  assert(
    group.every(({ mode, token }) => mode.kind === 'member' && token !== undefined),
    'members are members',
    { name },
  )
  assert(
    holders.every((claim) => claim.token !== undefined),
    'who holds has a token',
    { name },
  )
  const waiters = checkLine(machine, queue, waiting)
  assert(
    waiters.every((claim) => claim.token === undefined),
    'who waits has no token',
    { name },
  )
  assert(
    waiters.every((claim, i) => i === 0 || isBefore(waiters[i - 1]!, claim)),
    'P3: by rank, and in order of arrival',
    { name },
  )
  const uses = new Set([...holders, ...waiters].map(useOf))
  assert(uses.size <= 1, 'a name is of one use', { name, uses: [...uses] })
}

function isBefore(a: Claim, b: Claim): boolean {
  return a.rank > b.rank || (a.rank === b.rank && a.id < b.id)
}

function checkHolders({ name, seats }: Queue, holders: readonly Claim[]): void {
  const alone = holders.some(({ mode }) => mode.kind === 'exclusive')
  assert(!alone || holders.length === 1, 'P1: who holds exclusively is alone', {
    name,
    holders: holders.length,
  })
  const taken = holders.flatMap((claim) => claim.seats ?? [])
  const capacity = holders.find(({ mode }) => mode.kind === 'permits')?.mode
  if (capacity?.kind !== 'permits') {
    assert(taken.length === 0 && seats === undefined, 'seats are of semaphores', { name })
    return
  }
  assert(taken.length <= capacity.of, 'P1: permits within capacity', { name, taken: taken.length })
  assert(new Set(taken).size === taken.length, 'P1: a seat is one holder’s', { name, taken })
  assert(
    taken.every((seat) => seat < capacity.of),
    'seats are below the capacity',
    { name, taken },
  )
  assert(seats?.free === capacity.of - taken.length, 'the count of free seats is right', { name })
}

/** The claims of a line, whose links and count agree. */
function checkLine(machine: Machine, queue: Queue, line: Line): Claim[] {
  const claims: Claim[] = []
  let previous: Place | undefined
  for (let place = line.first; place !== undefined; place = place.next) {
    const { id } = place.claim
    assert(place.previous === previous && place.queue === queue, 'links go both ways', {
      name: queue.name,
      id,
    })
    assert(machine.claims.get(id) === place.claim, 'who stands in a queue is a claim', {
      name: queue.name,
      id,
    })
    assert(place.claim.places.includes(place), 'a claim knows its places', { name: queue.name, id })
    claims.push(place.claim)
    previous = place
  }
  assert(claims.length === line.count, 'the count is right', { name: queue.name, count: line.count })
  return claims
}

function checkClaim(machine: Machine, claim: Claim): void {
  const { id, token, waitLimit } = claim
  const { claims, sessions, agenda } = machine
  assert(id < claims.nextId, 'claim ids are drawn from the counter', { id, next: claims.nextId })
  assert(sessions.get(claim.session) !== undefined, 'its session lives, or is not done with', { id })
  const queues = claim.places.map((place) => place.queue)
  assert(
    queues.every((queue, i) => queue.name === claim.names[i]),
    'one place per name',
    { id },
  )
  assert(
    queues.every((queue) => claims.queues.get(queue.name) === queue),
    'it stands in the real queues',
    { id },
  )
  assert(queues.length === claim.names.length, 'a place for every name', { id })
  if (token !== undefined) {
    assert(token < claims.nextToken, 'P2: tokens are drawn from the counter', {
      token,
      next: claims.nextToken,
    })
    assert(claims.withToken(token) === claim, 'it is found by its token', { id, token })
    assert(waitLimit === undefined, 'who holds has no wait limit', { id })
    return
  }
  assert(isLater(machine, claim) || !isGrantable(claim), 'P4: nobody waits who could hold', { id })
  assert(waitLimit === undefined || agenda.has(waitLimit), 'its wait limit is on the agenda', { id })
  const slot = sessions.get(claim.session)?.slots.get(claim.slot)
  const answer = slot?.seq === claim.seq && slot.answer.kind === 'queued' ? slot.answer.claim : undefined
  assert(answer === id, 'P5: while it waits, its slot waits for it', { id, slot })
}

/** What a batch has left to the next. */
function isLater({ at, level, claims, sessions }: Machine, { id, session }: Claim): boolean {
  if (level < STEPS_SINCE) return false
  return claims.candidates.some((ids) => ids.includes(id)) || isOver(sessions.get(session)!, at)
}

function checkSession(machine: Machine, session: Session): void {
  const { id, expiry, tasks } = session
  assert(id < machine.sessions.nextId, 'session ids are drawn from the counter', { id })
  const { sessions, agenda, at } = machine
  const isFound = sessions.withKey(session.key) === session
  assert(isFound || isOver(session, at), 'it is found by its key', { id })
  const isScheduled =
    session.ended === '' ? agenda.has(expiry) : sessions.endings.has(expiry) && expiry.at <= at
  assert(isScheduled, 'its expiry is on the agenda, or what it left behind is next', { id })
  assert(expiry.at <= machine.at + session.ttlMs, 'no session lives longer than its TTL from now', { id })
  const claims = [...session.claims]
  assert(session.claims.size === claims.length, 'the count of its claims is right', { id })
  for (const [k, claim] of claims.entries()) {
    assert(claim.session === id && machine.claims.get(claim.id) === claim, 'its claims are claims', { id })
    assert(claim.previousOfSession === claims[k - 1], 'they are linked both ways', { id, claim: claim.id })
    assert((claims[k - 1]?.id ?? 0) < claim.id, 'in the order of their ids', { id, claim: claim.id })
  }
  const owned = claims.filter(({ terms }) => terms.owner !== '')
  for (const [owner, { held, waiting }] of tasks) {
    const [holding, others] = [true, false].map((isHeld) =>
      owned.filter(({ terms, token }) => terms.owner === owner && (token !== undefined) === isHeld),
    )
    const isRight = held === holding!.length && waiting.size === others!.length
    assert(isRight && others!.every((claim) => waiting.has(claim)), 'a task has its claims, and no others', {
      id,
      owner,
    })
  }
  const all = [...tasks.values()].reduce((sum, { held, waiting }) => sum + held + waiting.size, 0)
  assert(all === owned.length, 'whoever has an owner is of its task', { id, all })
  for (const [slot, { answer }] of session.slots) {
    if (answer.kind !== 'queued') continue
    const claim = machine.claims.get(answer.claim)
    assert(claim !== undefined && claim.token === undefined, 'P5: a slot waits for a claim that waits', {
      id,
      slot,
    })
  }
}

/** What sessions have was found to be claims above, so as many as there are means: all of them. */
function checkOwnership({ sessions, claims: { size } }: Machine): void {
  let known = 0
  for (const { claims } of sessions.values()) known += claims.size
  assert(known === size, 'each claim is known to its session', { known, size })
}

function checkRemains(machine: Machine, remains: Remains): void {
  const { id, kind, name, until } = remains
  assert(id < machine.claims.nextId, 'ids are drawn from the counter', { id })
  assert(machine.claims.queues.get(name)?.[kind] === remains, 'the name knows what remains of it', {
    id,
    name,
  })
  assert(until === undefined || machine.agenda.has(until), 'its end is on the agenda', { id, name })
}

function checkHeldBytes({ claims, sessions, remains, heldBytes }: Machine): void {
  let expected = claims.queues.size * BYTES.queue
  for (const claim of claims.values()) expected += claimBytes(claim)
  for (const session of sessions.values()) expected += sessionBytes(session) + session.slots.size * BYTES.slot
  for (const each of remains.values()) expected += remainsBytes(each)
  assert(heldBytes === expected, 'what is held adds up', { heldBytes, expected })
}

/** Every deadline was found on the agenda above, so as many as there should be means: those and no others. */
function checkAgenda(machine: Machine): void {
  let limitedWaits = 0
  for (const claim of machine.claims.values()) if (claim.waitLimit !== undefined) limitedWaits++
  let limitedRemains = 0
  for (const remains of machine.remains.values()) if (remains.until !== undefined) limitedRemains++
  const expected = machine.sessions.living + limitedWaits + limitedRemains
  assert(machine.agenda.size === expected, 'nothing else is on the agenda', {
    size: machine.agenda.size,
    sessions: machine.sessions.size,
    limitedWaits,
    limitedRemains,
  })
  const next = machine.nextDeadline()
  const isDone = next === undefined || next > machine.at
  const isLater = machine.level >= STEPS_SINCE && machine.hasWorkLeft
  assert(isDone || isLater, 'what is due has happened', { next, at: machine.at })
}
