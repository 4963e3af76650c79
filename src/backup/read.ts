import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Machine } from '../machine/machine.js'
import { SUMMARY_KEY } from '../machine/records/records.js'
import { SnapshotUnpacker } from '../record-store/index.js'
import { MachineRestorer } from '../replica/record-codec.js'
import {
  type BackupHeader,
  DamagedBackupError,
  DIGEST,
  DIGEST_BYTES,
  damaged,
  FORMAT,
  LENGTH_BYTES,
  MAGIC,
  PREFACE_BYTES,
} from './format.js'

export interface ReadBackup {
  readonly header: BackupHeader
  readonly bytes: number
  /** SHA-256 of the file, in hexadecimal: what `sha256sum` prints. */
  readonly checksum: string
  /** Its counters and its clock; of sessions and claims nothing is kept. */
  readonly machine: Machine
}

/**
 * Reads all of a backup and checks that it is whole and as it was written. Rejects with a `DamagedBackupError`, or with
 * what the system says if the file can't be read.
 */
export async function readBackup(path: string): Promise<ReadBackup> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const end = size - DIGEST_BYTES
    if (end < PREFACE_BYTES) throw damaged(path, `it has ${size} bytes, too few for a backup`)
    const digest = await digestOf(path, end)
    const trailer = await read(file, end, DIGEST_BYTES)
    if (!digest.copy().digest().equals(trailer)) throw damaged(path, 'its checksum does not match')
    const checksum = digest.update(trailer).digest('hex')
    return { ...(await parse(new Frames(path, file, end))), bytes: size, checksum }
  } finally {
    await file.close()
  }
}

/** Of all before `end`. */
async function digestOf(path: string, end: number): Promise<Hash> {
  const digest = createHash(DIGEST)
  for await (const part of createReadStream(path, { end: end - 1 })) digest.update(part)
  return digest
}

/** The checksum is right: what makes no sense now was written so, by another version or by somebody else. */
async function parse(frames: Frames): Promise<{ header: BackupHeader; machine: Machine }> {
  const { path } = frames
  try {
    const format = await frames.preface()
    if (format !== FORMAT) throw damaged(path, `it has format ${format}, and this version reads ${FORMAT}`)
    const header = JSON.parse((await frames.next()).toString()) as BackupHeader
    if (Number.isNaN(Date.parse(header.takenAt)))
      throw damaged(path, 'its header does not say when it was taken')
    const machine = await unpack(header, frames)
    const { at, claims } = machine
    if (at === header.at && claims.nextToken === header.nextToken) return { header, machine }
    throw damaged(path, `its header says token ${header.nextToken}, its records say ${claims.nextToken}`)
  } catch (error) {
    if (error instanceof DamagedBackupError) throw error
    throw damaged(path, error instanceof Error ? error.message : String(error), { cause: error })
  }
}

async function unpack(header: BackupHeader, frames: Frames): Promise<Machine> {
  const unpacker = new SnapshotUnpacker(header)
  const restorer = new MachineRestorer()
  while (!frames.atEnd) {
    const records = unpacker.take(await frames.next())
    restorer.take(records.filter(({ key }) => key === SUMMARY_KEY))
  }
  unpacker.finish()
  return restorer.finish()
}

/** What stands in a file up to `end`, one after the other. */
class Frames {
  #at = 0

  constructor(
    readonly path: string,
    readonly file: FileHandle,
    readonly end: number,
  ) {}

  get atEnd(): boolean {
    return this.#at >= this.end
  }

  /** The format. */
  async preface(): Promise<number> {
    const preface = await this.#take(PREFACE_BYTES)
    const magic = preface.toString('latin1', 0, MAGIC.length)
    if (magic !== MAGIC) throw damaged(this.path, 'it is no backup of Lockkeeper')
    return preface.readUInt32BE(MAGIC.length)
  }

  async next(): Promise<Buffer> {
    return await this.#take((await this.#take(LENGTH_BYTES)).readUInt32BE())
  }

  async #take(length: number): Promise<Buffer> {
    if (this.#at + length > this.end) throw damaged(this.path, 'it ends too early')
    const bytes = await read(this.file, this.#at, length)
    this.#at += length
    return bytes
  }
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position })
  return buffer.subarray(0, bytesRead)
}
