import assert from 'node:assert/strict'
import type { RaftConfig } from '../../raft/index.js'
import type { Verdict } from '../../src/machine/language/command.js'
import type { PeerItem } from '../../src/replica/ports.js'
import { acquire, open, release } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import type { HandDrivenNode } from './hand-driven.js'
import { HandDrivenCluster } from './hand-driven-cluster.js'

export const CHECKPOINT_BYTES = 4_000
export const TTL_MS = 3_600_000
/** So long that a few of them make more than one chunk. */
const LABEL = 'x'.repeat(200)

/** Asks and waits for the verdicts, in order. */
export async function ask(
  cluster: HandDrivenCluster,
  node: HandDrivenNode,
  ...commands: Parameters<HandDrivenNode['submit']>
): Promise<Verdict[]> {
  const verdicts = node.submit(...commands)
  await cluster.until('every command has its verdict', () => verdicts.length === commands.length)
  return verdicts
}

/** A cluster of three with session 1, in which 3 is cut off, and the log of the others has moved beyond what 3 has. */
export async function withOneLeftBehind(locks = 2_000, raft: Partial<RaftConfig> = {}) {
  const cluster = await HandDrivenCluster.start(3, { checkpointBytes: CHECKPOINT_BYTES, raft })
  const leader = await cluster.leader()
  const lost = cluster.nodes.find((node) => node !== leader)!
  await ask(cluster, leader, open(101, TTL_MS))
  await cluster.agree()
  cluster.isolate(lost.id)
  await holdLocks(cluster, leader, locks)
  await loseSight(cluster, leader, lost)
  return { cluster, leader, lost }
}

/** The session takes so many locks, each by a slot of its own. */
export async function holdLocks(
  cluster: HandDrivenCluster,
  leader: HandDrivenNode,
  locks: number,
): Promise<void> {
  for (let slot = 0; slot < locks; slot += 50) {
    const batch = Array.from({ length: 50 }, (_, k) =>
      acquire(1, { slot: slot + k, names: [`name ${slot + k}`], label: LABEL }),
    )
    for (const verdict of await ask(cluster, leader, ...batch)) assert.equal(verdict.kind, 'granted')
  }
}

/** Traffic until the leader's disk has forgotten entries that the other lacks. */
export async function loseSight(
  cluster: HandDrivenCluster,
  leader: HandDrivenNode,
  lost: HandDrivenNode,
): Promise<void> {
  const { lastIndex } = lost.replica.status
  for (let cycles = 0; (leader.disk.start?.index ?? 0) <= lastIndex; cycles++) {
    assert(cycles < 1_000, 'the log on disk is cut sooner or later')
    await cycle(cluster, leader)
  }
  const isOffered = () => leader.replica.progress().some(({ snapshot }) => snapshot)
  await cluster.until('what it was offered in vain is given up', () => !isOffered())
}

let seq = 0

/** Takes and releases a lock with a long label, by two slots far from the others. */
export async function cycle(cluster: HandDrivenCluster, leader: HandDrivenNode): Promise<void> {
  seq++
  const [verdict] = await ask(
    cluster,
    leader,
    acquire(1, { slot: 65_000, seq, names: ['cycle'], label: LABEL }),
  )
  assert(verdict?.kind === 'granted')
  await ask(cluster, leader, release(1, verdict.token, { slot: 65_001, seq }))
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

export function chunks(items: readonly PeerItem[]): number {
  return items.filter(({ kind }) => kind === 'snapshot_chunk').length
}

export function assertEqual(cluster: HandDrivenCluster): void {
  const [first, ...others] = cluster.nodes.map(({ machine }) => portrait(machine))
  for (const other of others) assert.deepEqual(other, first)
  for (const { fatal } of cluster.nodes) assert.deepEqual(fatal, [])
}
