import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../client/durations.js'
import { parseAddress } from '../platform/address.js'

/** What commander hands to an option or argument, to what we want; an `InvalidArgumentError` says what to write instead. */

export const DEFAULT_ADDRESSES = '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103'

/** 'host:port,host:port' to its parts. */
export function addresses(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim())
  const wrong = parts.find((part) => parseAddress(part) === undefined)
  if (wrong === undefined) return parts
  throw new InvalidArgumentError(
    `"${wrong}" is no host:port; write them separated by commas, for example ${DEFAULT_ADDRESSES}.`,
  )
}

export function address(text: string): string {
  if (parseAddress(text) !== undefined) return text
  throw new InvalidArgumentError(`"${text}" is no host:port; write for example 10.0.0.4:7204.`)
}

/** Milliseconds. */
export function duration(text: string): number {
  const ms = parseDuration(text)
  if (ms !== undefined) return ms
  throw new InvalidArgumentError('Write a number and its unit: 500ms, 5s, 2m, 1h or 7d.')
}

/** With less, there is no time to end the command in order when the lock is lost. */
const TTL_MS_MIN = 1_000

/** Milliseconds. */
export function ttl(text: string): number {
  const ms = duration(text)
  if (ms >= TTL_MS_MIN) return ms
  throw new InvalidArgumentError('The command could not be stopped in time: write 1s or more.')
}

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`Write a whole number from ${min} to ${max}.`)
  }
}
