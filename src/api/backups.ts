import type { BackupHeader } from '../backup/format.js'
import { backupFile } from '../backup/write.js'
import { LIMITS } from '../machine/language/limits.js'
import type { BackupPart } from '../protocol/lockkeeper.js'
import type { Backup } from '../replica/ports.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { CALLER_LEFT, Refusal } from './refusal.js'
import type { StateReads } from './state-reads.js'

/** Gives backups away, a part at a time, each when the one before it has been taken. */
export class Backups {
  readonly #door: Door
  readonly #reads: StateReads
  #underWay = 0

  constructor(door: Door, reads: StateReads) {
    this.#door = door
    this.#reads = reads
  }

  /** Resolves when `put` has taken the last part. Rejects with a `Refusal`. */
  async send(caller: Caller, put: (part: BackupPart) => Promise<void>): Promise<void> {
    if (this.#underWay >= LIMITS.backupsMax) {
      throw new Refusal('BUSY', `${LIMITS.backupsMax} backups are under way here; try later, or another node`)
    }
    this.#underWay++
    try {
      await this.#reads.confirm(caller)
      await this.#sendConfirmed(caller, put)
    } finally {
      this.#underWay--
    }
  }

  async #sendConfirmed(caller: Caller, put: (part: BackupPart) => Promise<void>): Promise<void> {
    let breakOff!: (refusal: Refusal) => void
    const brokenOff = new Promise<never>((_, reject) => {
      breakOff = reject
    })
    brokenOff.catch(() => undefined)
    const leave = this.#door.enter(breakOff)
    caller.onGone(() => breakOff(CALLER_LEFT))
    try {
      const backup = await this.#unlessUnreadable(this.#door.parts.replica.openBackup())
      try {
        await this.#sendFile(backup, (part) => Promise.race([brokenOff, this.#soon(put(part))]))
      } finally {
        await backup.source.close()
      }
    } finally {
      leave()
    }
  }

  async #sendFile(
    { source, at, nextToken }: Backup,
    put: (part: BackupPart) => Promise<void>,
  ): Promise<void> {
    const { clusterId, version } = this.#door.parts
    const { index, term } = source.start
    const takenAt = new Date().toISOString()
    const header: BackupHeader = { clusterId, index, term, nextToken, at, takenAt, version }
    const parts = backupFile(header, source)
    let offset = 0
    for (;;) {
      const { done, value: data } = await this.#unlessUnreadable(parts.next())
      if (done) return
      await put({ offset, data })
      offset += data.length
    }
  }

  /** The node was given a peer's snapshot meanwhile, or can't read its own: either way another node may do better. */
  async #unlessUnreadable<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      this.#door.parts.logger.warn({ err: error }, 'a backup broke off')
      throw new Refusal('BUSY', 'this node can not go on with the backup; begin anew, at another node')
    }
  }

  /** Whoever reads too slowly is cut off: what is replaced meanwhile stays on disk for as long as it takes. */
  #soon(taken: Promise<void>): Promise<void> {
    const { clock } = this.#door.parts
    const limitMs = LIMITS.backupPartMsMax
    return new Promise((resolve, reject) => {
      const patience = clock.after(limitMs, () =>
        reject(
          new Refusal('BUSY', `the client left a part of the backup unread for ${limitMs} ms; read faster`),
        ),
      )
      taken.then(resolve, reject).finally(() => patience.cancel())
    })
  }
}
