import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { entryBytes } from '../../raft/index.js'
import { Machine } from '../../src/machine/machine.js'
import { SnapshotUnpacker } from '../../src/record-store/index.js'
import { Checkpointer } from '../../src/replica/checkpointer.js'
import type { Backup, Clock } from '../../src/replica/ports.js'
import { MachineRestorer } from '../../src/replica/record-codec.js'
import { MemoryDisk, type MemoryNodeDisk } from '../suites/memory-disk.js'
import { HandDrivenNode, open } from './hand-driven.js'

/** Longer than the slices of a small checkpoint take. */
const SLICES_MS = 20
const START = { index: 3, term: 1, config: { voters: [1], outgoing: [], learners: [] } }

/** The machine that a backup holds. */
async function contentOf({ source }: Backup): Promise<Machine> {
  const unpacker = new SnapshotUnpacker(source.start)
  const restorer = new MachineRestorer()
  for (let sequence = 0, isLast = false; !isLast; sequence++) {
    const chunk = await source.chunk(sequence)
    restorer.take(unpacker.take(chunk.data))
    isLast = chunk.isLast
  }
  unpacker.finish()
  return restorer.finish()
}

/** A checkpointer on a disk of its own, which makes no checkpoints but those that are asked for. */
function alone(clock: Clock): { disk: MemoryDisk; opened: MemoryNodeDisk; checkpoints: Checkpointer } {
  const disk = new MemoryDisk({ sync: (done) => done(), random: () => 0 })
  const opened = disk.open()
  const parts = { disk: opened, intervalBytes: Number.POSITIVE_INFINITY, clock }
  const checkpoints = new Checkpointer(new Machine(), parts, {
    logStart: () => undefined,
    onForgotten: () => assert.fail('nothing is forgotten'),
    onWritten: () => undefined,
    onFailed: (error) => assert.fail(String(error)),
  })
  return { disk, opened, checkpoints }
}

async function openSessions(node: HandDrivenNode, ...keys: number[]): Promise<void> {
  node.submit(...keys.map((key) => open(key)))
  await node.clock.pass(SLICES_MS)
}

describe('a backup', () => {
  it('is of the moment it was asked for, or a later one, also while another is being written', async () => {
    const node = await HandDrivenNode.leading()
    await openSessions(node, 1, 2)
    const first = node.replica.openBackup()
    const firstIndex = node.replica.appliedIndex
    // Applied before the slices are taken: not in the first.
    node.submit(open(3))
    await node.clock.turn()
    assert.ok(node.replica.appliedIndex > firstIndex)
    const secondIndex = node.replica.appliedIndex
    const later = [node.replica.openBackup(), node.replica.openBackup()]
    await node.clock.pass(5 * SLICES_MS)

    assert.equal((await first).source.start.index, firstIndex)
    assert.equal((await contentOf(await first)).sessions.size, 2)
    for (const backup of await Promise.all(later)) {
      assert.ok(backup.source.start.index >= secondIndex)
      const content = await contentOf(backup)
      assert.equal(content.sessions.size, 3)
      assert.deepEqual([content.at, content.claims.nextToken], [backup.at, backup.nextToken])
    }
    assert.deepEqual(node.fatal, [])
  })

  it('leaves of the log what followers may need, and no more, though one is always under way', async () => {
    const checkpointBytes = 1_000
    const node = await HandDrivenNode.leading({ checkpointBytes })
    let last = node.replica.openBackup()
    for (let key = 1; key <= 200; key++) {
      const next = node.replica.openBackup()
      await openSessions(node, key)
      await (await last).source.close()
      last = next
    }
    const bytes = node.disk.entries.reduce((sum, entry) => sum + entryBytes(entry), 0)
    assert.ok(bytes >= 8 * checkpointBytes && bytes < 10 * checkpointBytes, `${bytes} bytes of log`)
    await node.restart()
    await node.clock.pass(1_000)
    assert.equal(node.machine.sessions.size, 200, 'and the node starts from the newest')
  })

  it('does not run ahead of the log on this disk: others may have committed what is not on it yet', async () => {
    const { clock, machine } = await HandDrivenNode.leading()
    const { disk, checkpoints } = alone(clock)
    const backup = checkpoints.backup(() => ({ machine, start: START }))
    checkpoints.persisted(START.index - 1)
    await clock.pass(SLICES_MS)
    assert.equal(disk.checkpoint, undefined)
    checkpoints.persisted(START.index)
    await clock.pass(SLICES_MS)
    assert.deepEqual((await backup).source.start, START)
  })

  it('breaks off when the node stops', async () => {
    const node = await HandDrivenNode.leading()
    await openSessions(node, 1)
    const underWay = assert.rejects(node.replica.openBackup(), /broke off: this node is stopping/)
    await node.clock.turn()
    const waiting = assert.rejects(node.replica.openBackup(), /broke off: this node is stopping/)
    const stopped = node.replica.stop()
    await Promise.all([underWay, waiting, stopped])
    await assert.rejects(node.replica.openBackup(), /broke off/)
  })

  it("goes on when a peer's snapshot was not put in place after all", async () => {
    const node = await HandDrivenNode.leading()
    await openSessions(node, 1)
    const { disk, checkpoints } = alone(node.clock)
    checkpoints.persisted(START.index)
    const backup = checkpoints.backup(() => ({ machine: node.machine, start: START }))
    await checkpoints.pause()
    await node.clock.pass(SLICES_MS)
    assert.equal(disk.checkpoint, undefined)
    checkpoints.resume(undefined)
    await node.clock.pass(SLICES_MS)
    assert.equal((await contentOf(await backup)).sessions.size, 1)
  })

  it("breaks off when a peer's snapshot takes the machine's place, and works again afterwards", async () => {
    const node = await HandDrivenNode.leading()
    await openSessions(node, 1)
    const { opened, checkpoints } = alone(node.clock)
    const place = () => ({ machine: node.machine, start: START })
    const replaced = assert.rejects(checkpoints.backup(place), /broke off: this node was given the snapshot/)
    const waiting = assert.rejects(checkpoints.backup(place), /broke off: this node was given the snapshot/)
    await checkpoints.pause()
    opened.records.installed()
    await node.clock.pass(SLICES_MS)
    checkpoints.resume(START)
    await Promise.all([replaced, waiting])

    // The machine in place of the old one; one that has no checkpoint under way.
    const { machine } = await HandDrivenNode.leading()
    checkpoints.persisted(START.index)
    const again = checkpoints.backup(() => ({ machine, start: START }))
    await node.clock.pass(SLICES_MS)
    assert.equal((await again).source.start.index, START.index)
  })
})
