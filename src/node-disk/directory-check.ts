import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { LOG_DATABASE, WITNESS } from '../log-store/index.js'
import type { Clock, Timer } from '../replica/ports.js'

const LOOK_MS = 1_000

/** The data directory of a node that runs was removed, renamed or replaced, or files in it were. */
export class LostDirectoryError extends Error {
  override readonly name = 'LostDirectoryError'

  constructor(path: string, what: string) {
    super(
      `${path} ${what} since this node opened it: what it has written since may be lost with this process. If the directory was moved, put it back; then start the node again`,
    )
  }
}

/** Of the data directory: these are the same files for as long as a node has it open. */
const LASTING = ['.', WITNESS, LOG_DATABASE, join(LOG_DATABASE, 'LOCK')]
/** LevelDB replaces these now and then, a snapshot the records; some of each kind are always there. */
const PRESENT: readonly (readonly [folder: string, kind: RegExp])[] = [
  [LOG_DATABASE, /^CURRENT$/],
  [LOG_DATABASE, /^MANIFEST-/],
  [LOG_DATABASE, /\.log$/],
  ['.', /^records-/],
]

/**
 * Notices that a data directory is no longer what this process writes to: the system lets it write on to files that no name
 * leads to. A table of LevelDB's that is removed is missed when it is next read.
 */
export class DirectoryCheck {
  readonly #directory: string
  readonly #opened: ReadonlyMap<string, string>

  private constructor(directory: string, opened: ReadonlyMap<string, string>) {
    this.#directory = directory
    this.#opened = opened
  }

  /** The directory has just been opened. */
  static async of(directory: string): Promise<DirectoryCheck> {
    const opened = new Map<string, string>()
    for (const name of LASTING) opened.set(name, (await identityOf(join(directory, name))) ?? '')
    return new DirectoryCheck(directory, opened)
  }

  /** Looks every second. Calls back once; what can't be looked at for another reason is for LevelDB to notice. Returns how to stop. */
  watch(clock: Clock, onLost: (error: LostDirectoryError) => void): () => void {
    let timer: Timer
    let isOver = false
    const look = async (): Promise<void> => {
      const lost = await this.#look().catch(() => undefined)
      if (isOver) return
      if (lost === undefined) timer = clock.after(LOOK_MS, () => void look())
      else onLost(lost)
    }
    timer = clock.after(LOOK_MS, () => void look())
    return () => {
      isOver = true
      timer.cancel()
    }
  }

  async #look(): Promise<LostDirectoryError | undefined> {
    for (const name of LASTING) {
      const path = join(this.#directory, name)
      const found = await identityOf(path)
      if (found === undefined) return new LostDirectoryError(path, 'has been removed')
      if (found !== this.#opened.get(name)) return new LostDirectoryError(path, 'has been replaced')
    }
    for (const [folder, kind] of PRESENT) {
      const path = join(this.#directory, folder)
      const isThere = (await readdir(path)).some((name) => kind.test(name))
      if (!isThere) return new LostDirectoryError(`what ${path} had of ${kind.source}`, 'has been removed')
    }
    return undefined
  }
}

/** Undefined: it is not there. */
async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    return `${dev}/${ino}`
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
