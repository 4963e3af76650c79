import { Mode } from '../../src/protocol/lockkeeper.js'
import type { Held, Participant, Wish } from './participant.js'
import type { Random } from './random.js'

type Story = (participant: Participant) => Promise<void>

/** Each use has its names; now and then somebody takes the wrong one. */
const NAMES = {
  locks: ['lock/a', 'lock/b', 'lock/c'],
  semaphores: ['sem/a', 'sem/b'],
  once: ['once/a', 'once/b'],
  leaders: ['leader/a'],
  groups: ['group/a'],
  crons: ['cron/a'],
} as const
export const PARTICIPANTS_NAMES: readonly string[] = Object.values(NAMES).flat()
const MISTAKEN = 0.03
const CAPACITY = 3
const OWNERS = ['task-1', 'task-2']
const WAITS_MS = [0, 100, 500, 2_000, 2_000, undefined]

function nameOf(random: Random, use: keyof typeof NAMES): string {
  return random.pick(random.chance(MISTAKEN) ? PARTICIPANTS_NAMES : NAMES[use])
}

function wait(random: Random): Pick<Wish, 'waitMs'> {
  return { waitMs: random.pick(WAITS_MS) }
}

/** Readers and writers, who upgrade and downgrade. */
const readOrWrite: Story = async (participant) => {
  const { random } = participant
  const names = [nameOf(random, 'locks')]
  const mode = random.pick([Mode.EXCLUSIVE, Mode.SHARED, Mode.SHARED])
  const priority = random.pick([0, 0, 0, 1, 2])
  const lockDelayMs = random.pick([0, 0, 0, 200, 1_000])
  const held = await participant.acquire(names, { mode, ...wait(random), terms: { priority, lockDelayMs } })
  if (held === undefined) return
  await participant.hold()
  const more = random.chance(0.6)
    ? await (mode === Mode.SHARED ? upgrade : downgrade)(participant, names, held)
    : held
  await participant.hold()
  await participant.release(more, { restMs: random.pick([0, 0, 0, 0, 300]) })
}

async function upgrade(participant: Participant, names: readonly string[], held: Held): Promise<Held> {
  const { random } = participant
  return (await participant.acquire(names, { ...wait(random), terms: { upgrades: held.token } })) ?? held
}

async function downgrade(participant: Participant, _names: readonly string[], held: Held): Promise<Held> {
  await participant.do({ $case: 'downgrade', value: { token: held.token } })
  return held
}

const takeSeats: Story = async (participant) => {
  const { random } = participant
  const capacity = random.chance(MISTAKEN) ? CAPACITY + 1 : CAPACITY
  const permits = random.integer(1, 2)
  const wish = { mode: Mode.PERMITS, permits, capacity, ...wait(random) }
  const held = await participant.acquire([nameOf(random, 'semaphores')], wish)
  if (held === undefined) return
  await participant.hold()
  await participant.release(held)
}

const takeSeveral: Story = async (participant) => {
  const { random } = participant
  const names = random.some(NAMES.locks, 0.7)
  if (names.length === 0) return
  const mode = random.pick([Mode.EXCLUSIVE, Mode.SHARED])
  const priority = random.pick([0, 0, 3])
  const held = await participant.acquire(names, { mode, ...wait(random), terms: { priority } })
  if (held === undefined) return
  await participant.hold()
  await participant.release(held)
}

/** One after the other, in any order, for one task: others do so, too, and each may have what the other needs. */
const nest: Story = async (participant) => {
  const { random } = participant
  const owner = random.pick(OWNERS)
  const held: Held[] = []
  for (let k = random.integer(2, 3); k > 0; k--) {
    const reentrant = random.chance(0.3)
    const priority = random.pick([0, 0, 0, 1])
    const terms = { owner, reentrant, priority }
    const permits = { mode: Mode.PERMITS, permits: 1, capacity: CAPACITY }
    const next = random.chance(0.2)
      ? await participant.acquire([random.pick(NAMES.semaphores)], {
          ...permits,
          waitMs: 1_000,
          terms: { owner },
        })
      : await participant.acquire([random.pick(NAMES.locks)], { waitMs: 1_000, terms })
    if (next !== undefined) held.push(next)
    await participant.hold()
  }
  for (const each of held.reverse()) await participant.release(each)
}

const doOnce: Story = async (participant) => {
  const { random } = participant
  const fingerprint = random.chance(0.1) ? 'other work' : 'work'
  const held = await participant.acquire([nameOf(random, 'once')], {
    ...wait(random),
    terms: { fingerprint },
  })
  if (held === undefined) return
  await participant.hold()
  const result = { data: `done by ${held.label}`, keepMs: random.pick([5, 50, 500, 3_000]) }
  await participant.release(held, random.chance(0.8) ? { result } : {})
}

/** Campaigns, proclaims, and hands over to somebody who stands in line. */
const lead: Story = async (participant) => {
  const { random } = participant
  const name = random.pick(NAMES.leaders)
  const held = await participant.acquire([name], { ...wait(random), terms: { data: 'a value' } })
  if (held === undefined) return
  await participant.hold()
  await participant.do({ $case: 'update', value: { token: held.token, data: `of ${held.label}` } })
  const waiters = random.chance(0.7) ? await participant.waiters(name) : []
  const heir = waiters.length === 0 ? 0 : random.pick(waiters)
  const restMs = random.pick([0, 0, 100])
  await participant.release(held, { heir, restMs })
}

const join: Story = async (participant) => {
  const { random } = participant
  const name = nameOf(random, 'groups')
  const held = await participant.acquire([name], { mode: Mode.MEMBER, terms: { data: 'hello' } })
  if (held === undefined) return
  await participant.hold()
  await participant.do({ $case: 'update', value: { token: held.token, data: 'still here' } })
  await participant.hold()
  await participant.release(held)
}

/** By two hosts whose clocks differ. */
const runOnSchedule: Story = async (participant) => {
  const { random } = participant
  const terms = { minHoldMs: random.pick([100, 700]), lockDelayMs: random.pick([0, 500]) }
  const held = await participant.acquire([nameOf(random, 'crons')], {
    waitMs: random.pick([0, 1_500]),
    terms,
  })
  if (held !== undefined) await participant.release(held)
}

const steal: Story = async (participant) => {
  const { random } = participant
  const names = random.chance(0.2) ? [...NAMES.locks] : [random.pick(PARTICIPANTS_NAMES)]
  const held = await participant.acquire(names, { waitMs: random.pick([0, 500]), terms: { steal: true } })
  if (held === undefined) return
  await participant.hold()
  await participant.release(held)
}

const intervene: Story = async (participant) => {
  const { random } = participant
  const name = random.pick(PARTICIPANTS_NAMES)
  const note = 'by an operator'
  const kind = random.pick(['forceRelease', 'requestRelease', 'suspend', 'suspend'] as const)
  if (kind !== 'suspend') {
    await participant.do({ $case: kind, value: { name, token: 0, note } })
    return
  }
  const forMs = random.pick([200, 1_000, undefined])
  await participant.do({ $case: 'suspend', value: { name, forMs, note } })
  await participant.hold()
  if (forMs === undefined || random.chance(0.5))
    await participant.do({ $case: 'resume', value: { name, note } })
}

const STORIES: readonly Story[] = [
  readOrWrite,
  readOrWrite,
  readOrWrite,
  takeSeats,
  takeSeats,
  takeSeveral,
  nest,
  nest,
  doOnce,
  doOnce,
  lead,
  lead,
  join,
  runOnSchedule,
  steal,
  intervene,
]

/** Something, as people do. */
export function story(participant: Participant): Promise<void> {
  return participant.random.pick(STORIES)(participant)
}
