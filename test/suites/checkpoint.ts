import type { LogStart } from '../../raft/index.js'
import type { RecordChange, RecordStore } from '../../src/replica/ports.js'

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
