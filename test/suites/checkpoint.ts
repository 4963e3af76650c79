import type { LogStart } from '../../raft/index.js'
import type { Machine } from '../../src/machine/machine.js'
import type { RecordChange, RecordStore } from '../../src/replica/ports.js'
import { encodeChange } from '../../src/replica/record-codec.js'
import { MemoryDisk } from './memory-disk.js'

/** A whole checkpoint at once. */
export async function writeCheckpoint(
  records: Pick<RecordStore, 'begin'>,
  start: LogStart,
  changes: readonly RecordChange[],
): Promise<void> {
  const draft = records.begin(start)
  draft.put(changes)
  await draft.write()
}

/** Of a checkpoint of `start`, as a peer sends it; the last one ends it. */
export async function snapshotChunks(machine: Machine, start: LogStart): Promise<Uint8Array[]> {
  const store = new MemoryDisk({ sync: (done) => done(), random: () => 0 }).open().records
  const changes = [machine.beginCheckpoint(), ...machine.ledger.take(Number.POSITIVE_INFINITY)]
  await writeCheckpoint(store, start, changes.map(encodeChange))
  const source = await store.openSnapshot()
  const chunks: Uint8Array[] = []
  for (let isLast = false; !isLast; ) {
    const chunk = await source.chunk(chunks.length)
    chunks.push(chunk.data)
    isLast = chunk.isLast
  }
  return chunks
}
