import { crc32c, unmasked } from './crc32c.js'

/**
 * LevelDB's logs and manifests are blocks of fragments: checksum (32 bits), length (16 bits), type, payload. A record is one
 * fragment, or several in a row. (doc/log_format.md)
 */
const BLOCK_BYTES = 32 * 1024
const HEADER_BYTES = 7
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const

/** What stands where something can't be read: bytes that were altered, or a record that was never finished. */
export const GAP = undefined

/**
 * The records of a log, in order, each whole and as it was written. Behind a gap it goes on where the header says, if there is
 * a fragment, or else with the next block: not wherever bytes look like a fragment, for those may be what a client sent.
 */
export function* recordsIn(log: Buffer): Generator<Buffer | typeof GAP> {
  let parts: Buffer[] | undefined
  for (let at = 0; at < log.length; ) {
    const rest = BLOCK_BYTES - (at % BLOCK_BYTES)
    if (rest < HEADER_BYTES) {
      at += rest
      continue
    }
    const end = endOf(log, at)
    if (!isIntact(log, at, end)) {
      yield GAP
      parts = undefined
      const isNextIntact = end % BLOCK_BYTES === 0 || isIntact(log, end, endOf(log, end))
      at = end <= at + rest && isNextIntact ? end : at + rest
      continue
    }
    const type = log[at + 6]
    if (type === TYPE.full || type === TYPE.first) {
      if (parts !== undefined) yield GAP
      parts = []
    }
    parts?.push(log.subarray(at + HEADER_BYTES, end))
    if (type === TYPE.full || type === TYPE.last) {
      if (parts !== undefined) yield Buffer.concat(parts)
      parts = undefined
    }
    at = end
  }
  if (parts !== undefined) yield GAP
}

/** Of the fragment at `at`, as its header says; beyond the log if there is none. */
function endOf(log: Buffer, at: number): number {
  if (at + HEADER_BYTES > log.length) return Number.POSITIVE_INFINITY
  return at + HEADER_BYTES + log.readUInt16LE(at + 4)
}

function isIntact(log: Buffer, at: number, end: number): boolean {
  if (end > log.length || end > at + BLOCK_BYTES - (at % BLOCK_BYTES)) return false
  const type = log[at + 6]!
  const isKnown = type >= TYPE.full && type <= TYPE.last
  return isKnown && crc32c(log.subarray(at + 6, end)) === unmasked(log.readUInt32LE(at))
}
