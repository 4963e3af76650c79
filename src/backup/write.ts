import { createHash } from 'node:crypto'
import type { SnapshotSource } from '../replica/ports.js'
import { type BackupHeader, DIGEST, FORMAT, LENGTH_BYTES, MAGIC } from './format.js'

/** The file, part by part, each as soon as it is asked for: at most 256 KiB, or one record. Rejects as `source` does. */
export async function* backupFile(header: BackupHeader, source: SnapshotSource): AsyncGenerator<Buffer> {
  const digest = createHash(DIGEST)
  const counted = (part: Buffer): Buffer => {
    digest.update(part)
    return part
  }
  yield counted(
    Buffer.concat([Buffer.from(MAGIC), number(FORMAT), framed(Buffer.from(JSON.stringify(header)))]),
  )
  for (let sequence = 0; ; sequence++) {
    const { data, isLast } = await source.chunk(sequence)
    yield counted(framed(data))
    if (isLast) break
  }
  yield digest.digest()
}

function framed(data: Uint8Array): Buffer {
  return Buffer.concat([number(data.length), data])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(LENGTH_BYTES)
  bytes.writeUInt32BE(value)
  return bytes
}
