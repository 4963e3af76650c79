import { existsSync, renameSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { Level } from 'level'
import { type Database, openLevel } from '../../src/leveldb/database.js'

/** What a power cut may leave of a directory. */
export interface Cut {
  /** After which step, and what of that was lost. */
  readonly name: string
  readonly directory: string
  /** The work had ended: what it promises holds. */
  readonly isAfterwards: boolean
}

interface Rename {
  readonly from: string
  readonly to: string
}

/** A value that LevelDB was given without `sync`. It may lose it, and keep what came later. */
interface LosablePut {
  readonly location: string
  readonly key: string
  readonly before: Buffer | undefined
}

type Options = { readonly sync?: boolean } | undefined

/**
 * Does `work` on `directory`, and gives what is left of it if the power goes at any of its steps: without all that was not
 * synced, without renames whose directory was not synced (all of those, and each of them), and without values that were put
 * without `sync`, though later changes are there. A rename lasts once either of its directories is synced, as with a journal.
 * LevelDB itself syncs its tables and manifests, and of its logs what is written
 * with `sync`. Removals are taken to last.
 */
export async function powerCuts(directory: string, work: () => Promise<void>): Promise<Cut[]> {
  const recorder = new Recorder(directory)
  await recorder.begin()
  try {
    await work()
  } finally {
    recorder.end()
  }
  await recorder.cut('the end', true)
  return recorder.cuts
}

class Recorder {
  readonly cuts: Cut[] = []
  readonly #directory: string
  /** What is on disk of each file: of LevelDB's logs, and of what Node.js writes. */
  #synced = new Map<string, Buffer>()
  #renames: Rename[] = []
  #losable: LosablePut[] = []
  /** Where they are now. */
  readonly #opened: { path: string }[] = []
  readonly #restore: (() => void)[] = []
  #step = 0
  #cutting = Promise.resolve()

  constructor(directory: string) {
    this.#directory = directory
  }

  async begin(): Promise<void> {
    for (const file of await filesIn(this.#directory)) this.#synced.set(file, await fs.readFile(file))
    this.#recordFiles()
    this.#recordDatabases()
  }

  end(): void {
    for (const restore of this.#restore.reverse()) restore()
    syncBuiltinESMExports()
  }

  /** One at a time: what is written beside each other comes to its ends one after the other. */
  cut(step: string, isAfterwards = false): Promise<void> {
    this.#cutting = this.#cutting.then(() => this.#cut(step, isAfterwards))
    return this.#cutting
  }

  async #cut(step: string, isAfterwards: boolean): Promise<void> {
    const renames = this.#renames
    const variants: [lost: string, lostRenames: readonly Rename[], lostPuts: readonly LosablePut[]][] = [
      ['nothing', [], []],
    ]
    if (renames.length > 0) variants.push(['renames', renames, []])
    if (renames.length > 1)
      for (const each of renames) variants.push([`rename to ${basename(each.to)}`, [each], []])
    if (this.#losable.length > 0) variants.push(['puts', [], this.#losable])
    this.#step++
    for (const [lost, lostRenames, lostPuts] of variants) {
      const directory = join(`${this.#directory}.cuts`, String(this.cuts.length))
      await this.#leave(directory, lostRenames, lostPuts)
      this.cuts.push({ name: `step ${this.#step}, ${step}, lost: ${lost}`, directory, isAfterwards })
    }
  }

  #recordFiles(): void {
    const { rename, rm, copyFile, open } = fs
    this.#replace(fs, 'rename', async (from: string, to: string) => {
      await rename(from, to)
      await this.#hasRenamed({ from, to })
    })
    this.#replace(fs, 'rm', async (path: string, options: object) => {
      await rm(path, options)
      if (this.#isInside(path)) await this.cut(`removal of ${this.#nameOf(path)}`)
    })
    this.#replace(fs, 'copyFile', async (from: string, to: string, mode?: number) => {
      await copyFile(from, to, mode)
      this.#synced.set(to, NOTHING)
    })
    this.#replace(fs, 'open', async (path: string, flags?: string) => {
      const handle = await open(path, flags)
      if (flags?.startsWith('w')) this.#synced.set(path, NOTHING)
      const opened = { path }
      this.#opened.push(opened)
      const { sync, datasync } = handle
      for (const [name, original] of Object.entries({ sync, datasync }))
        this.#replace(handle, name, async () => {
          await original.call(handle)
          await this.#hasSynced(opened.path)
        })
      return handle
    })
    syncBuiltinESMExports()
  }

  #recordDatabases(): void {
    const recorder = this
    const prototype = Level.prototype as unknown as Database
    const { put, batch, clear } = prototype as unknown as Record<
      string,
      (...args: unknown[]) => Promise<void>
    >
    this.#replace(
      prototype,
      'put',
      async function (this: Database, key: string, value: Buffer, options: Options) {
        const before = await this.get(key)
        await put!.call(this, key, value, options)
        await recorder.#hasWritten(this.location, options, { location: this.location, key, before })
      },
    )
    this.#replace(prototype, 'clear', async function (this: Database, options: object) {
      await clear!.call(this, options)
      await recorder.#hasWritten(this.location, undefined)
    })
    this.#replace(prototype, 'batch', function (this: Database, changes?: unknown, options?: Options) {
      const { location } = this
      if (changes !== undefined)
        return batch!.call(this, changes, options).then(() => recorder.#hasWritten(location, options))
      const chained = batch!.call(this) as unknown as { write: (options: Options) => Promise<void> }
      const { write } = chained
      recorder.#replace(chained, 'write', async (options: Options) => {
        await write.call(chained, options)
        await recorder.#hasWritten(location, options)
      })
      return chained
    })
  }

  async #hasWritten(location: string, options: Options, put?: LosablePut): Promise<void> {
    if (!this.#isInside(location)) return
    const newestLog = (await filesIn(location)).filter(isLog).sort().at(-1)!
    if (options?.sync) {
      // What went to that log before is synced along.
      this.#synced.set(newestLog, await fs.readFile(newestLog))
      this.#losable = this.#losable.filter((each) => each.location !== location)
    } else if (put !== undefined) this.#losable.push(put)
    await this.cut(`${options?.sync ? 'synced write' : 'write'} to ${this.#nameOf(location)}`)
  }

  async #hasSynced(path: string): Promise<void> {
    if (!this.#isInside(path)) return
    if ((await fs.stat(path)).isDirectory())
      this.#renames = this.#renames.filter(({ from, to }) => dirname(from) !== path && dirname(to) !== path)
    else this.#synced.set(path, await fs.readFile(path))
    await this.cut(`sync of ${this.#nameOf(path)}`)
  }

  async #hasRenamed({ from, to }: Rename): Promise<void> {
    if (!this.#isInside(from)) return
    this.#renames.push({ from, to })
    const moved = (path: string) => (isWithin(path, from) ? join(to, relative(from, path)) : path)
    this.#synced = new Map([...this.#synced].map(([path, bytes]) => [moved(path), bytes]))
    for (const each of this.#opened) each.path = moved(each.path)
    await this.cut(`rename to ${this.#nameOf(to)}`)
  }

  async #leave(at: string, renames: readonly Rename[], puts: readonly LosablePut[]): Promise<void> {
    await fs.cp(this.#directory, at, { recursive: true })
    const copyOf = (path: string): string => join(at, relative(this.#directory, path))
    for (const { location, key, before } of puts) await takeBack(copyOf(location), key, before)
    if (puts.length === 0) await this.#loseUnsynced(copyOf)
    for (const { from, to } of [...renames].reverse()) {
      if (existsSync(copyOf(from)) || !existsSync(copyOf(to))) continue
      await fs.mkdir(dirname(copyOf(from)), { recursive: true })
      renameSync(copyOf(to), copyOf(from))
    }
  }

  async #loseUnsynced(copyOf: (path: string) => string): Promise<void> {
    for (const file of await filesIn(this.#directory)) {
      const synced = this.#synced.get(file) ?? (isLog(file) ? NOTHING : undefined)
      if (synced !== undefined && isLosable(file)) await fs.writeFile(copyOf(file), synced)
    }
  }

  #nameOf(path: string): string {
    return relative(this.#directory, path) || 'the directory'
  }

  #isInside(path: string): boolean {
    return isWithin(path, this.#directory)
  }

  #replace(owner: object, name: string, replacement: unknown): void {
    const own = Object.getOwnPropertyDescriptor(owner, name)
    Object.defineProperty(owner, name, {
      value: replacement,
      configurable: true,
      writable: true,
      enumerable: true,
    })
    this.#restore.push(() => {
      if (own === undefined) delete (owner as Record<string, unknown>)[name]
      else Object.defineProperty(owner, name, own)
    })
  }
}

const NOTHING = Buffer.alloc(0)

/** LevelDB syncs its other files by itself. */
function isLosable(file: string): boolean {
  return isLog(file) || /\/witness(\.unfinished)?$/.test(file)
}

function isLog(file: string): boolean {
  return /\/\d+\.log$/.test(file)
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

async function filesIn(directory: string): Promise<string[]> {
  if (!existsSync(directory)) return []
  const found = await fs.readdir(directory, { recursive: true, withFileTypes: true })
  return found.filter((each) => each.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

async function takeBack(location: string, key: string, before: Buffer | undefined): Promise<void> {
  const database = await openLevel(location, { createIfMissing: false })
  if (before === undefined) await database.del(key)
  else await database.put(key, before)
  await database.close()
}
