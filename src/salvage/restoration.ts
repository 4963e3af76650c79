import { type Entry, type HardState, type LogStart, NOBODY } from '../../raft/index.js'
import { before, type LogEnd, openSealed } from '../log-store/index.js'
import { DamagedLogError, type IntactParts, type LogPosition, type SnapshotSource } from '../replica/ports.js'

/** A place from which a log may begin: what was committed up to `start` is in the checkpoint. */
export interface Footing {
  readonly start: LogStart
  /** Undefined: nothing came before. */
  readonly checkpoint: SnapshotSource | undefined
}

export interface Restoration extends Footing {
  readonly hardState: HardState
  readonly entries: readonly Entry[]
}

/** Part of the log is nowhere. The message says which entry. */
export class UnrestorableError extends Error {
  override readonly name = 'UnrestorableError'
}

/**
 * Puts a log together again that ended with `last`. Its last entry names every other one (Log Matching), so there is
 * nothing to choose: an entry that has its index and term is the entry, whoever has it. Where nobody has it, a
 * checkpoint of that entry or a later one will do, for it is of what was committed: what this log had up to there is in
 * it, or was never committed and never will be. So is what it had behind that: the way back from the last entry came by
 * the checkpoint's place without meeting its term, so all that follows there follows what was never committed.
 * Otherwise rejects with an `UnrestorableError`: the entry may have been committed.
 */
export async function restoration(
  { hardState, last }: LogEnd,
  footings: readonly Footing[],
  sources: readonly IntactParts[],
): Promise<Restoration> {
  const newestFirst: Entry[] = []
  const footingAt = ({ index, term }: LogPosition): Footing | undefined =>
    footings.find(({ start }) => start.index === index && start.term === term)
  let at = last
  for (;;) {
    const footing = footingAt(at)
    if (footing !== undefined) return { ...footing, hardState, entries: newestFirst.reverse() }
    const found = await logUpTo(at, sources)
    if (found.length === 0) break
    for (const logged of found) {
      newestFirst.push(logged.entry)
      at = before(logged)
      if (footingAt(at) !== undefined) break
    }
  }
  const later = newest(footings.filter(({ start }) => start.index >= at.index))
  if (later === undefined) throw new UnrestorableError(`nobody has entry ${at.index} of term ${at.term}`)
  return { ...later, hardState: noEarlierThan(later.start, hardState), entries: [] }
}

/** From the first source that has the last of it. */
async function logUpTo(last: LogPosition, sources: readonly IntactParts[]) {
  for (const source of sources) {
    const found = chainOf(await source.logUpTo(last), last)
    if (found.length > 0) return found
  }
  return []
}

/** What is not the entry that is wanted next, or not as it was written, counts for nothing. */
function chainOf(newestFirst: readonly Uint8Array[], last: LogPosition) {
  const chain = []
  let at = last
  for (const sealed of newestFirst) {
    try {
      const logged = openSealed(sealed, at)
      chain.push(logged)
      at = before(logged)
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error
      break
    }
  }
  return chain
}

function newest(footings: readonly Footing[]): Footing | undefined {
  return footings.reduce<Footing | undefined>(
    (most, each) => (most === undefined || each.start.index > most.start.index ? each : most),
    undefined,
  )
}

/** A node that is given a checkpoint hears of its term. */
function noEarlierThan({ term }: LogStart, hardState: HardState): HardState {
  return term > hardState.term ? { term, vote: NOBODY } : hardState
}
