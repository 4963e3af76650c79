import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../leveldb/database.js'
import { faultOf, SEAL_BYTES, seal } from '../leveldb/seal.js'
import { damaged } from '../log-store/index.js'
import type { IdentityFacts, IdentityStore } from '../replica/ports.js'

/** In the data directory. It stays when the databases are replaced, and goes when the directory is emptied. */
export const IDENTITY_FILE = 'identity'
const UNFINISHED = 'identity.unfinished'

/** The facts of `IdentityFacts` in a file of their own. */
export class IdentityFile implements IdentityStore {
  readonly #directory: string
  #facts: IdentityFacts
  #writing: Promise<void> = Promise.resolve()

  private constructor(directory: string, facts: IdentityFacts) {
    this.#directory = directory
    this.#facts = facts
  }

  /** Of the node that is on this disk. Rejects with a `DamagedLogError` if what was written can't be read. */
  static async open(directory: string, disk: number): Promise<IdentityFile> {
    const found = await read(directory)
    if (found?.disk === disk) return new IdentityFile(directory, found)
    const { met = [], incarnation = 0 } = found ?? {}
    return new IdentityFile(directory, { disk, accusers: [], wasMember: false, met, incarnation })
  }

  get facts(): IdentityFacts {
    return this.#facts
  }

  /** Each call's facts are written before those of the next. */
  save(facts: IdentityFacts): Promise<void> {
    this.#facts = facts
    this.#writing = this.#writing.then(() => write(this.#directory, facts))
    return this.#writing
  }
}

async function read(directory: string): Promise<IdentityFacts | undefined> {
  let value: Buffer
  try {
    value = await readFile(join(directory, IDENTITY_FILE))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const fault = faultOf(IDENTITY_FILE, value, SEAL_BYTES)
  if (fault !== undefined) throw damaged(IDENTITY_FILE, fault)
  return JSON.parse(value.toString('utf8', SEAL_BYTES)) as IdentityFacts
}

async function write(directory: string, facts: IdentityFacts): Promise<void> {
  const file = await open(join(directory, UNFINISHED), 'w')
  try {
    const content = Buffer.concat([Buffer.alloc(SEAL_BYTES), Buffer.from(JSON.stringify(facts))])
    await file.write(seal(IDENTITY_FILE, content))
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(join(directory, UNFINISHED), join(directory, IDENTITY_FILE))
  await syncDirectory(directory)
}
