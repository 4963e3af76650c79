import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entryBytes, type Message } from '../../raft/index.js'
import { encodeCommands } from '../../src/replica/payload.js'
import { acquire, open, release } from '../machine/commands.js'
import { portrait } from '../machine/stories.js'
import { HandDrivenNode } from './hand-driven.js'

const CHECKPOINT_BYTES = 4_000
const ALONE = { checkpointBytes: CHECKPOINT_BYTES }
const TTL_MS = 3_600_000
const WINDOW_INTERVALS = 8
/** The window, the log until the next checkpoint is due, and until it is written. */
const LOG_INTERVALS_MAX = WINDOW_INTERVALS + 2

/** Session 1 takes and releases the lock `door` so many times. */
async function cycles(node: HandDrivenNode, first: number, count: number): Promise<void> {
  for (let seq = first; seq < first + count; seq++) {
    const [verdict] = node.submit(acquire(1, { seq }))
    await node.clock.turn()
    const { nextToken } = node.machine.claims
    node.submit(release(1, nextToken - 1, { seq }))
    await node.clock.pass(10)
    assert.notEqual(verdict?.kind, 'refused')
  }
}

/** A node that leads, with session 1, which holds the lock `kept`. */
async function holding(): Promise<HandDrivenNode> {
  const node = await HandDrivenNode.leading(ALONE)
  node.submit(open(101, TTL_MS))
  await node.clock.turn()
  node.submit(acquire(1, { slot: 9, names: ['kept'], label: 'held all the time' }))
  await node.clock.turn()
  return node
}

function logBytes({ disk }: HandDrivenNode): number {
  return disk.entries.reduce((bytes, entry) => bytes + entryBytes(entry), 0)
}

/** Of the log, the window is behind the newest checkpoint, and not much more is there. */
function assertWindow(node: HandDrivenNode): void {
  const { index } = node.disk.checkpoint!.start
  const window = node.disk.entries.filter((entry) => entry.index <= index)
  const bytes = window.reduce((sum, entry) => sum + entryBytes(entry), 0)
  assert(bytes >= WINDOW_INTERVALS * CHECKPOINT_BYTES, `${bytes} bytes behind the checkpoint`)
  assert(logBytes(node) < LOG_INTERVALS_MAX * CHECKPOINT_BYTES, `${logBytes(node)} bytes of log`)
}

function checkpointIndex({ disk }: HandDrivenNode): number | undefined {
  return disk.checkpoint?.start.index
}

async function serves(node: HandDrivenNode): Promise<void> {
  for (let ms = 0; !node.replica.status.serving; ms += 10) {
    assert(ms < 5_000, 'it serves again')
    await node.clock.pass(10)
  }
}

describe('checkpoints', () => {
  it('keep the log on disk and in memory bounded, however long it runs', async () => {
    const node = await holding()
    await cycles(node, 1, 1_000)
    assertWindow(node)
    assert(node.disk.checkpoint!.rows.size < 10, `${node.disk.checkpoint!.rows.size} records`)
  })

  it('leave a window of the log for those who lag a little, in whatever life of the node it was written', async () => {
    const node = await holding()
    await cycles(node, 1, 300)
    assertWindow(node)
    for (let life = 0; life < 20; life++) {
      await node.restart()
      await serves(node)
      const before = checkpointIndex(node)
      for (let seq = 1_000 * (life + 1); checkpointIndex(node) === before; seq++) await cycles(node, seq, 1)
      assertWindow(node)
    }
  })

  it('with the log behind them, are the machine again after a restart, at whatever moment it died', async () => {
    for (const survives of [0, 0.9]) {
      const node = await holding()
      node.survives = survives
      for (let life = 0; life < 30; life++) {
        await cycles(node, 1 + 100 * life, 7 + life)
        node.diskStalled = life % 2 === 0
        node.submit(acquire(1, { seq: 1 + 100 * life + 50 }))
        await node.clock.pass(life)
        const before = node.diskStalled ? undefined : portrait(node.machine)
        await node.restart()
        node.diskStalled = false
        await serves(node)
        if (before !== undefined) assert.deepEqual(portrait(node.machine), before)
        assert.equal(node.machine.name('kept')?.holders[0]?.token, 1)
        assert.deepEqual(node.fatal, [])
      }
    }
  })

  it('replay no more than two of their intervals', async () => {
    const node = await holding()
    await cycles(node, 1, 300)
    const { lastIndex } = node.replica.status
    await node.restart()
    const applied: number[] = []
    node.onApplied = ({ index }) => applied.push(index)
    await serves(node)
    assert(applied.length < lastIndex / 4, `${applied.length} of ${lastIndex} entries applied again`)
    assert(applied[0]! > node.disk.checkpoint!.start.index)
  })

  it('never run ahead of the log of their own node, though others have committed more', async () => {
    const node = await HandDrivenNode.start({ voters: [1, 2, 3], checkpointBytes: 100 })
    let begun = 0
    node.onCheckpoint = async () => {
      begun++
    }
    node.diskStalled = true
    node.hears(2, appendOf(10))
    await node.clock.pass(100)
    assert.equal(node.replica.appliedIndex, 10, 'what is committed is applied')
    assert.equal(begun, 0)
    node.diskStalled = false
    await node.sync()
    await node.clock.pass(100)
    assert.equal(checkpointIndex(node), 2, 'the entry with which the hundred bytes were full')
  })

  it('that fail stop the node, loudly and once (fault 27)', async () => {
    const node = await holding()
    node.onCheckpoint = () => Promise.reject(new Error('no space left on device'))
    await cycles(node, 1, 60)
    assert.deepEqual(
      node.fatal.map((error) => (error as Error).message),
      ['no space left on device'],
    )
    await node.replica.stop()
  })

  it('under way are finished before the node has stopped, and none is begun any more', async () => {
    const node = await holding()
    let begun = 0
    let goOn!: () => void
    node.onCheckpoint = () => {
      begun++
      return new Promise((resolve) => {
        goOn = resolve
      })
    }
    await cycles(node, 1, 200)
    assert.equal(begun, 1, 'one at a time')
    assert.equal(checkpointIndex(node), undefined)
    let stopped = false
    const stopping = node.replica.stop().then(() => {
      stopped = true
    })
    await node.clock.pass(100)
    assert.equal(stopped, false)
    goOn()
    await stopping
    assert(checkpointIndex(node) !== undefined)
    await node.clock.pass(100)
    assert.equal(begun, 1)
  })

  it('hold up nothing: requests are answered while one is written, and slices are taken between them', async () => {
    const node = await holding()
    const claims = Array.from({ length: 5_000 }, (_, slot) =>
      acquire(1, { slot: 10 + slot, names: [`n${slot}`] }),
    )
    const commands = encodeCommands(claims)
    node.replica.propose({ origin: node.id, first: 1_000_000, count: claims.length, commands })
    await node.clock.turn()
    let isWritten = false
    node.onCheckpoint = async () => {
      isWritten = true
    }
    // Twenty slices of 500, and a rest before each.
    await node.clock.pass(60)
    assert.equal(isWritten, false, 'a slice at a time')
    const verdicts = node.submit(acquire(1, { slot: 6_000, names: ['meanwhile'] }))
    await node.clock.turn()
    assert.equal(verdicts[0]?.kind, 'granted')
    assert.equal(isWritten, false)
    await node.clock.pass(500)
    assert.equal(isWritten, true)
    await node.restart()
    await serves(node)
    assert.equal(node.machine.name('meanwhile')?.holders.length, 1)
  })

  it('take most of the time from one to the next, so that requests never pay for much at once', async () => {
    const { node, writtenAtMs } = await loaded({ until: 6 })
    for (const k of [2, 3, 4, 5]) {
      const share = node.checkpoints[k]!.ms / (writtenAtMs[k]! - writtenAtMs[k - 1]!)
      assert(share > 0.6 && share < 0.95, `${share} of the time between two`)
    }
  })

  it('take no longer than the log does, when load comes after a time of rest', async () => {
    const node = await HandDrivenNode.leading(LOADED)
    node.submit(open(101, TTL_MS))
    await node.clock.pass(600_000)
    for (let slot = 1; slot < 60_000; slot += LOCKS) {
      await takeLocks(node, slot)
      assert(logBytes(node) < LOG_INTERVALS_MAX * LOADED.checkpointBytes, `${logBytes(node)} bytes of log`)
    }
  })

  it('leave little in memory of what changes again before its slice', async () => {
    const node = await HandDrivenNode.leading({ checkpointBytes: 4_000_000 })
    node.submit(open(101, TTL_MS))
    const { ledger } = node.machine
    const label = 'large in the log'.repeat(16)
    let held = 0
    for (; ledger.untaken < 5_000; held += LOCKS) await takeLocks(node, held + 1, label)
    // Small in the log, which is no reason to hurry.
    for (let slot = 1; slot < held; slot += LOCKS) {
      const tokens = Array.from({ length: LOCKS }, (_, k) => slot + k)
      node.submit(...tokens.map((token) => release(1, token, { slot: token, seq: 2 })))
      await node.clock.pass(10)
      assert(ledger.overtaken <= 1_000, `${ledger.overtaken} changes; two slices have 1,000`)
    }
    assert.equal(node.machine.claims.size, 0)
  })

  it('make haste when somebody waits for a backup behind them', async () => {
    const { node, slot: end } = await loaded({ until: 3 })
    for (let slot = end; node.machine.ledger.untaken < 10_000; slot += LOCKS) await takeLocks(node, slot)
    const asked = node.replica.openBackup()
    let isThere = false
    void asked.then(() => {
      isThere = true
    })
    await node.clock.pass(250)
    assert.equal(isThere, true)
    await (await asked).source.close()
  })
})

const LOCKS = 200
/** What 10 ms of that load bring: 16,000 changes from one checkpoint to the next. */
const LOADED = { checkpointBytes: 200_000 }

/** A node that takes locks all the time, each on a slot of its own, and has written so many checkpoints. */
async function loaded({ until }: { until: number }) {
  const node = await HandDrivenNode.leading(LOADED)
  node.submit(open(101, TTL_MS))
  const writtenAtMs: number[] = []
  let slot = 1
  for (; node.checkpoints.length < until; slot += LOCKS) {
    await takeLocks(node, slot)
    if (node.checkpoints.length > writtenAtMs.length) writtenAtMs.push(node.clock.nowMs())
  }
  return { node, writtenAtMs, slot }
}

/** So many at once, on slots from this one on; then ten milliseconds go by. */
async function takeLocks(node: HandDrivenNode, slot: number, label = ''): Promise<void> {
  const names = Array.from({ length: LOCKS }, (_, k) => slot + k)
  node.submit(...names.map((name) => acquire(1, { slot: name, names: [`held/${name}`], label })))
  await node.clock.pass(10)
}

function appendOf(count: number): Message {
  const entries = Array.from({ length: count }, (_, k) => ({
    index: k + 1,
    term: 1,
    payload: new Uint8Array(),
  }))
  return { kind: 'append', term: 1, prevIndex: 0, prevTerm: 0, entries, commit: count, round: 0 }
}
