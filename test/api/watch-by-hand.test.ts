import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Refusal } from '../../src/api/refusal.js'
import { StateReads } from '../../src/api/state-reads.js'
import { Watches } from '../../src/api/watches.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { WatchPart } from '../../src/protocol/lockkeeper.js'
import { HandDrivenNode, open } from '../replica/hand-driven.js'
import { doorOf } from './door-by-hand.js'

const SECOND_MS = 1_000

/** A watch that keeps its parts and how it ended. */
function watching(node: HandDrivenNode, name: string, afterRevision?: number) {
  const door = doorOf(node)
  const reads = new StateReads(door)
  const watches = new Watches(door, reads)
  const parts: WatchPart[] = []
  const put = async (part: Buffer): Promise<void> => void parts.push(WatchPart.decode(part))
  const caller = { connection: 'test', remainingMs: Number.POSITIVE_INFINITY, onGone: () => undefined }
  const ended = watches.send({ name, afterRevision }, caller, put).catch((error: unknown) => error)
  return { door, parts, ended }
}

async function onNewestLevel(): Promise<HandDrivenNode> {
  const node = await HandDrivenNode.leading()
  node.onApplied = ({ changes }) => node.attachments.onChanges(changes)
  node.submit({ op: 'raise', level: FEATURE_LEVEL }, open(7, 60 * SECOND_MS))
  await node.clock.turn()
  return node
}

let seq = 0
async function acquire(node: HandDrivenNode, name: string, kind: 'exclusive' | 'shared' = 'exclusive') {
  const mode = { kind }
  const numbers = { session: 1, key: 7, slot: 0, seq: ++seq }
  node.submit({ op: 'acquire', ...numbers, names: [name], mode, waitMs: 0, label: '' })
  await node.clock.turn()
}

describe('watching a name, on a clock of the test’s own', () => {
  it('is refused while a member of the cluster does not know of changes', async () => {
    const node = await HandDrivenNode.leading()
    const { parts, ended } = watching(node, 'a')
    await node.clock.pass(SECOND_MS)
    const refusal = await ended
    assert.ok(refusal instanceof Refusal)
    assert.deepEqual([refusal.code, parts], ['UNSUPPORTED', []])
    assert.match(refusal.message, /on feature level 0, and watching takes 2: upgrade all nodes/)
  })

  it('says how far it is every ten seconds, if others have changed meanwhile', async () => {
    const node = await onNewestLevel()
    const { door, parts } = watching(node, 'quiet')
    await node.clock.pass(SECOND_MS)
    assert.deepEqual(
      parts.map(({ state, revision }) => [state?.name, revision]),
      [['quiet', 0]],
    )
    await acquire(node, 'other')
    await node.clock.pass(8 * SECOND_MS)
    assert.equal(parts.length, 1)
    await node.clock.pass(SECOND_MS)
    assert.deepEqual(parts.slice(1), [{ state: undefined, changes: [], revision: 1 }])
    await node.clock.pass(30 * SECOND_MS)
    assert.equal(parts.length, 2, 'nothing has changed since')
    door.stop()
  })

  it('leaves nothing behind when it ends', async () => {
    const node = await onNewestLevel()
    await node.clock.pass(SECOND_MS)
    const before = node.clock.timers
    const { door, parts, ended } = watching(node, 'a')
    await acquire(node, 'a')
    await node.clock.pass(SECOND_MS)
    const told = parts.length
    assert.ok(told > 0)
    door.stop()
    await node.clock.turn()
    const refusal = await ended
    assert.ok(refusal instanceof Refusal && refusal.code === 'STOPPING')
    assert.equal(node.clock.timers, before)
    await acquire(node, 'a')
    await node.clock.pass(30 * SECOND_MS)
    assert.equal(parts.length, told)
  })
})

/** Watches of one name at a node on which each turn does one step of the work of its clients. */
async function crowdWatching(node: HandDrivenNode, name: string, count: number) {
  const door = doorOf(node, 0)
  const watches = new Watches(door, new StateReads(door))
  const taken: (() => void)[] = []
  const parts: Buffer[][] = []
  const leave: (() => void)[] = []
  for (let k = 0; k < count; k++) {
    const own: Buffer[] = []
    parts.push(own)
    const put = (part: Buffer): Promise<void> => {
      own.push(part)
      return new Promise((resolve) => {
        taken[k] = resolve
      })
    }
    const caller = {
      connection: 'crowd',
      remainingMs: Number.POSITIVE_INFINITY,
      onGone: (action: () => void) => void leave.push(action),
    }
    watches.send({ name, afterRevision: undefined }, caller, put).catch(() => undefined)
  }
  const takeAll = (): void => {
    for (const take of taken) take()
  }
  await node.clock.pass(SECOND_MS)
  takeAll()
  await node.clock.pass(SECOND_MS)
  const newest = (): Buffer[] => parts.flatMap((own) => own.slice(1))
  const leaveAll = (): void => {
    for (const action of leave) action()
  }
  return { parts, newest, takeAll, leaveAll }
}

describe('a name that many watch', () => {
  it('tells them of a change in slices, and encodes it once', async () => {
    const node = await onNewestLevel()
    const { newest } = await crowdWatching(node, 'hot', 50)
    await acquire(node, 'hot')
    assert.ok(newest().length <= 2, `${newest().length} in the turn of the change`)
    await node.clock.pass(SECOND_MS)
    assert.equal(newest().length, 50)
    assert.equal(new Set(newest()).size, 1)
  })

  it('tells those who lag all that they have missed, in one part', async () => {
    const node = await onNewestLevel()
    const { parts, takeAll } = await crowdWatching(node, 'hot', 5)
    await acquire(node, 'hot', 'shared')
    await node.clock.pass(SECOND_MS)
    for (let k = 0; k < 10; k++) await acquire(node, 'hot', 'shared')
    await node.clock.pass(SECOND_MS)
    takeAll()
    await node.clock.pass(SECOND_MS)
    for (const own of parts) {
      const changes = own.slice(1).map((part) => WatchPart.decode(part).changes.length)
      assert.deepEqual(changes, [1, 10])
    }
    assert.equal(new Set(parts.map((own) => own[2])).size, 1)
  })

  it('is forgotten when they have left', async () => {
    const node = await onNewestLevel()
    await node.clock.pass(SECOND_MS)
    const before = node.clock.timers
    const { newest, leaveAll } = await crowdWatching(node, 'hot', 5)
    leaveAll()
    await node.clock.pass(SECOND_MS)
    assert.equal(node.clock.timers, before)
    await acquire(node, 'hot')
    await node.clock.pass(SECOND_MS)
    assert.deepEqual(newest(), [])
  })
})
