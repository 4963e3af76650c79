import { LogRemains } from '../log-store/index.js'
import { LevelRecordStore } from '../record-store/index.js'
import type { IntactParts, LogPosition, SnapshotSource } from '../replica/ports.js'
import { openView, type View } from './view.js'

/** What is left of a damaged disk, in a view: it stays as it is, and no node can start on it until this is closed. */
export class DiskRemains implements IntactParts {
  readonly log: LogRemains
  readonly #view: View
  readonly #records: LevelRecordStore | undefined

  private constructor(view: View, log: LogRemains, records: LevelRecordStore | undefined) {
    this.#view = view
    this.log = log
    this.#records = records
  }

  /** Rejects with a `LockedDirectoryError` or an `UnusableDirectoryError`. */
  static async open(directory: string): Promise<DiskRemains> {
    const view = await openView(directory)
    try {
      const log = await LogRemains.read(view.directory)
      return new DiskRemains(view, log, await LevelRecordStore.openWhole(view.directory))
    } catch (error) {
      await view.close()
      throw error
    }
  }

  async logUpTo(last: LogPosition): Promise<readonly Uint8Array[]> {
    return this.log.upTo(last)
  }

  async openCheckpoint(): Promise<SnapshotSource | undefined> {
    return await this.#records?.openSnapshot()
  }

  async close(): Promise<void> {
    await this.#records?.close()
    await this.#view.close()
  }
}
