import { crc32 } from 'node:zlib'

/**
 * Every value on disk is sealed: a format version byte, a CRC-32, the rest. The checksum covers the key and the version
 * too, so that a value is at home under one key only. Format 1 covered the rest alone; it is read, and not written.
 */
export const FORMAT = 2
export const SEAL_BYTES = 5

/** Fills in the first `SEAL_BYTES` of `value`, and gives it back. */
export function seal(key: string, value: Buffer): Buffer {
  value[0] = FORMAT
  value.writeUInt32BE(checksum(key, value), 1)
  return value
}

/** What is wrong with a sealed value; undefined if it is as it was written. */
export function faultOf(key: string, value: Buffer, bytesMin: number): string | undefined {
  if (value.length < bytesMin) return `${value.length} bytes are too few`
  if (checksum(key, value) !== checksumOf(value)) return 'its checksum does not match'
  const format = value[0]!
  if (format < 1 || format > FORMAT) return `format ${format}, and this version reads formats 1 to ${FORMAT}`
  return undefined
}

/** The checksum that a sealed value bears. */
export function checksumOf(value: Buffer): number {
  return value.readUInt32BE(1)
}

function checksum(key: string, value: Buffer): number {
  const format = value[0]!
  return crc32(value.subarray(SEAL_BYTES), format === 1 ? 0 : crc32(key, format))
}
