import { type FileHandle, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { syncDirectory } from '../leveldb/database.js'
import { faultOf, SEAL_BYTES, seal } from '../leveldb/seal.js'
import { damaged } from './format.js'

/** In the data directory. */
export const FILE = 'witness'
const UNFINISHED = 'witness.unfinished'
const NUMBER_BYTES = 6
/** Each slot in a page of its own, so that a torn write of one leaves the other alone. */
const SLOT_BYTES = 4096
const SLOTS = 2
/** A sync of this file beside each sync of LevelDB made both slower: a cycle of one worker took 2.3 ms instead of 1.9. */
const SYNC_EVERY_MS = 100
/** To note each write by itself took a tenth of the time of a cycle of one worker. */
const NOTE_AFTER_MS = 5

/**
 * How many writes this node has acknowledged, kept outside LevelDB, which forgets the end of its own log without a word if
 * a byte of it was altered. Write n is noted a moment after it is acknowledged, and the notes are synced beside later
 * writes, now and then: it is behind by 5 ms after kill -9, by a tenth of a second after a power cut. It is never ahead of
 * what was acknowledged, so it never accuses a healthy disk.
 */
export class Witness {
  readonly #file: FileHandle
  #newest = 0
  #notes = 0
  #noting: Promise<void> | undefined
  #failure: unknown
  #syncedAtMs = Number.NEGATIVE_INFINITY

  private constructor(
    file: FileHandle,
    /** As found when it was opened. */
    readonly acknowledged: number,
  ) {
    this.#file = file
  }

  /** Undefined if there is none. Rejects with a `DamagedLogError` if neither slot can be read. */
  static async open(directory: string): Promise<Witness | undefined> {
    const path = join(directory, FILE)
    let bytes: Buffer
    try {
      bytes = await readFile(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    const acknowledged = acknowledgedIn(bytes)
    return new Witness(await open(path, 'r+'), acknowledged)
  }

  static async create(directory: string): Promise<Witness> {
    const file = await open(join(directory, UNFINISHED), 'w+')
    await file.write(Buffer.concat(Array.from({ length: SLOTS }, () => slot(0))))
    await file.sync()
    await rename(join(directory, UNFINISHED), join(directory, FILE))
    await syncDirectory(directory)
    return new Witness(file, 0)
  }

  /** Notes it in a moment, if no newer one comes until then. `sync` tells if that failed. */
  note(writes: number): void {
    this.#newest = writes
    this.#noting ??= this.#noteSoon()
  }

  /** Syncs what is noted, if that was not done a moment ago. */
  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const nowMs = performance.now()
    if (nowMs - this.#syncedAtMs < SYNC_EVERY_MS) return
    this.#syncedAtMs = nowMs
    await this.#file.datasync()
  }

  async close(): Promise<void> {
    try {
      await this.#noting
      await this.#file.datasync()
    } finally {
      await this.#file.close()
    }
  }

  /** One at a time, so that a disk that stalls is asked once. */
  async #noteSoon(): Promise<void> {
    try {
      for (let noted: number | undefined; noted !== this.#newest; ) {
        await pause(NOTE_AFTER_MS)
        noted = this.#newest
        await this.#file.write(slot(noted), 0, SLOT_BYTES, (this.#notes++ % SLOTS) * SLOT_BYTES)
      }
    } catch (error) {
      this.#failure ??= error
    } finally {
      this.#noting = undefined
    }
  }
}

function slot(writes: number): Buffer {
  const value = Buffer.alloc(SEAL_BYTES + NUMBER_BYTES)
  value.writeUIntBE(writes, SEAL_BYTES, NUMBER_BYTES)
  return Buffer.concat([seal(FILE, value)], SLOT_BYTES)
}

function acknowledgedIn(bytes: Buffer): number {
  let newest = -1
  for (let at = 0; at < SLOTS * SLOT_BYTES; at += SLOT_BYTES) {
    const value = bytes.subarray(at, at + SEAL_BYTES + NUMBER_BYTES)
    if (faultOf(FILE, value, SEAL_BYTES + NUMBER_BYTES) === undefined)
      newest = Math.max(newest, value.readUIntBE(SEAL_BYTES, NUMBER_BYTES))
  }
  if (newest < 0) throw damaged(FILE, 'neither slot of this file can be read')
  return newest
}
