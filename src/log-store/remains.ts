import { join } from 'node:path'
import type { HardState, LogStart } from '../../raft/index.js'
import { exists } from '../leveldb/database.js'
import { GAP } from '../leveldb/log-file.js'
import { remainsOf } from '../leveldb/remains.js'
import { DamagedLogError, type LogPosition } from '../replica/ports.js'
import {
  type DiskIdentity,
  decodeBase,
  decodeEntry,
  decodeHardState,
  decodeIdentity,
  HARD_STATE_KEY,
  type Head,
  IDENTITY_KEY,
  LOG_PREFIX,
  LOG_START_KEY,
  logKey,
} from './format.js'
import { LOG_DATABASE } from './open.js'
import { before, openSealed, PART_BYTES } from './sealed.js'
import { Witness } from './witness.js'

/** Where a log ended, and what its node had promised besides. */
export interface LogEnd {
  readonly hardState: HardState
  readonly last: LogPosition
}

/** What can still be read of a log that is damaged. Nothing of it is changed. */
export class LogRemains {
  #identity: DiskIdentity | undefined
  #head: (Head & { readonly hardState: HardState }) | undefined
  #mayHideHead = false
  #beginning: LogStart | undefined
  readonly #sealed = new Map<string, Buffer>()
  #witnessed: number | undefined

  private constructor() {}

  /** `directory` is a data directory that nobody has open. */
  static async read(directory: string): Promise<LogRemains> {
    const remains = new LogRemains()
    remains.#witnessed = await witnessedIn(directory)
    const location = join(directory, LOG_DATABASE)
    if (!(await exists(location))) return remains
    for await (const remnant of remainsOf(location)) {
      if (remnant === GAP) remains.#mayHideHead = true
      else remains.#take(...remnant)
    }
    return remains
  }

  get identity(): DiskIdentity | undefined {
    return this.#identity
  }

  /**
   * Where the log ended when it was last written; undefined if that can't be told for certain: what is lost may have come
   * later, and may have been a vote.
   */
  get end(): LogEnd | undefined {
    const head = this.#head
    if (head === undefined || this.#mayHideHead) return undefined
    if (this.#witnessed === undefined || head.writes < this.#witnessed) return undefined
    return { hardState: head.hardState, last: { index: head.lastIndex, term: head.lastTerm } }
  }

  /** Of a log from which nothing was ever cut off. */
  get beginning(): LogStart | undefined {
    return this.#beginning
  }

  /** As `IntactParts.logUpTo`. What was truncated is among it: who asks by index and term asks for what was written. */
  upTo(last: LogPosition): Buffer[] {
    const entries: Buffer[] = []
    let bytes = 0
    for (let at = last; bytes < PART_BYTES; ) {
      const sealed = this.#sealed.get(placeOf(at))
      if (sealed === undefined) break
      entries.push(sealed)
      bytes += sealed.length
      at = before(openSealed(sealed, at))
    }
    return entries
  }

  #take(key: string, value: Buffer): void {
    try {
      if (key === HARD_STATE_KEY) this.#takeHead(value)
      else if (key === IDENTITY_KEY) this.#takeIdentity(value)
      else if (key === LOG_START_KEY) this.#takeStart(value)
      else if (key.startsWith(LOG_PREFIX)) this.#takeEntry(key, value)
    } catch (error) {
      if (!(error instanceof DamagedLogError)) throw error
      if (key === HARD_STATE_KEY) this.#mayHideHead = true
    }
  }

  /** They come in no certain order: the last one written is the one that counts most writes. */
  #takeHead(value: Buffer): void {
    const { hardState, head } = decodeHardState(value)
    if (head === undefined || head.writes < (this.#head?.writes ?? 0)) return
    this.#head = { ...head, hardState }
    this.#mayHideHead = false
  }

  #takeIdentity(value: Buffer): void {
    const identity = decodeIdentity(value)
    if (identity.disk !== undefined) this.#identity = { ...identity, disk: identity.disk }
  }

  #takeStart(value: Buffer): void {
    const { start } = decodeBase(value)
    if (start?.index === 0) this.#beginning = start
  }

  #takeEntry(key: string, value: Buffer): void {
    const { entry } = decodeEntry(key, value)
    if (key === logKey(entry.index)) this.#sealed.set(placeOf(entry), value)
  }
}

/** Undefined if there is none, or if it can't be read: then it can't vouch for anything. */
async function witnessedIn(directory: string): Promise<number | undefined> {
  try {
    const witness = await Witness.open(directory)
    await witness?.close()
    return witness?.acknowledged
  } catch (error) {
    if (error instanceof DamagedLogError) return undefined
    throw error
  }
}

function placeOf({ index, term }: LogPosition): string {
  return `${index}/${term}`
}
