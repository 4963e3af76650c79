import type { Entry, LogIndex, LogStart, Term } from '../../raft/index.js'
import { DAMAGE_REMEDY, DamagedLogError, DamagedRecordsError, type RecoveredDisk } from '../replica/ports.js'

/** A checkpoint is of a point within its log, or the two are not of one moment. Throws a damage error. */
export function checkBelonging({ start, entries, checkpoint }: Omit<RecoveredDisk, 'hardState'>): void {
  if (checkpoint === undefined) {
    if (start === undefined || start.index === 0) return
    throw new DamagedRecordsError(
      `the log begins behind entry ${start.index}, and there is no checkpoint of what came before; ${DAMAGE_REMEDY}`,
    )
  }
  if (start !== undefined && checkpoint.index < start.index) {
    throw new DamagedRecordsError(
      `the log begins behind entry ${start.index}, and the newest checkpoint found is of entry ${checkpoint.index}: a later one is lost; ${DAMAGE_REMEDY}`,
    )
  }
  const term = termAt(checkpoint.index, start, entries)
  if (term === undefined) {
    throw new DamagedLogError(
      `the checkpoint is of entry ${checkpoint.index}, and the log ends before it: its end is lost; ${DAMAGE_REMEDY}`,
    )
  }
  if (term !== checkpoint.term) {
    throw new DamagedLogError(
      `the checkpoint is of entry ${checkpoint.index} of term ${checkpoint.term}, and in the log that entry is of term ${term}; ${DAMAGE_REMEDY}`,
    )
  }
}

function termAt(index: LogIndex, start: LogStart | undefined, entries: readonly Entry[]): Term | undefined {
  const begin = start?.index ?? 0
  return index === begin ? (start?.term ?? 0) : entries[index - begin - 1]?.term
}
