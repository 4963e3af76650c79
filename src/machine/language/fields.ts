/** What a single value must be. Arguments are `unknown`: a log entry is only bytes until it is checked. */
import type { Refused } from './command.js'
import { LIMITS } from './limits.js'
import { refuse } from './refusals.js'

export function checkInteger(what: string, value: unknown, min: number, max: number): Refused | undefined {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return undefined
  return refuse('INVALID', `${what} must be a whole number from ${min} to ${max}`)
}

/**
 * Control characters, NUL among them; surrogates without their other half; and U+FFFD, which is what UTF-8 makes of
 * them and of bytes that are no text: names that differ only in what was broken would become one.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\ufffd]/u

export function checkText(what: string, text: unknown, bytesMax: number): Refused | undefined {
  if (typeof text !== 'string') return refuse('INVALID', `${what} must be a string`)
  if (text.length > bytesMax || utf8Bytes(text) > bytesMax) {
    return refuse('LIMIT', `${what} is at most ${bytesMax} bytes of UTF-8; shorten it`)
  }
  if (!UNPRINTABLE.test(text)) return undefined
  return refuse('INVALID', `${what} must be well-formed text without control characters`)
}

const BROKEN = /[\p{Cs}\ufffd]/u

/** What only programs read may have line ends, and what else text can have. */
export function checkData(data: unknown): Refused | undefined {
  if (typeof data !== 'string') return refuse('INVALID', 'data must be a string')
  if (data.length > LIMITS.dataBytesMax || utf8Bytes(data) > LIMITS.dataBytesMax) {
    return refuse('LIMIT', `data are at most ${LIMITS.dataBytesMax} bytes of UTF-8; keep a reference instead`)
  }
  return BROKEN.test(data) ? refuse('INVALID', 'data must be well-formed text') : undefined
}

/** Bytes of well-formed text in UTF-8: a surrogate pair is four, two for each half. */
export function utf8Bytes(text: string): number {
  let bytes = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) bytes += 1
    else if (unit < 0x800 || (unit >= 0xd800 && unit < 0xe000)) bytes += 2
    else bytes += 3
  }
  return bytes
}
