/**
 * What a request asks for, in 32 bits: all that is in it but its numbers, each field with its place. Never 0. It tells
 * mistakes of clients, not forgeries: a repeated request is the same, to the letter.
 */
import type { Mode, RequestId, Succession, Terms } from './language/command.js'
import type { Request } from './requests.js'

type Asked = Exclude<Request, { readonly op: 'cancel' | 'unknownRequest' }>

export function hashOf(request: Request): number {
  if (request.op === 'cancel' || request.op === 'unknownRequest') return 0
  return ofFields(text(SEED, request.op), request) || 1
}

const SEED = 0x6c6f636b

function ofFields(hash: number, c: Asked): number {
  switch (c.op) {
    case 'acquire':
      return ofTerms(text(optional(ofMode(texts(hash, c.names), c.mode), c.waitMs), c.label), c.terms)
    case 'release':
      return ofSuccession(number(hash, c.token), c.succession)
    case 'update':
      return text(number(hash, c.token), c.data)
    case 'downgrade':
      return number(hash, c.token)
    case 'forceRelease':
    case 'requestRelease':
      return number(ofIntervention(hash, c), c.token)
    case 'suspend':
      return optional(ofIntervention(hash, c), c.forMs)
    case 'resume':
      return ofIntervention(hash, c)
  }
}

function ofMode(hash: number, mode: Mode): number {
  const ofKind = text(hash, mode.kind)
  return mode.kind === 'permits' ? number(number(ofKind, mode.permits), mode.of) : ofKind
}

function ofTerms(hash: number, terms: Terms | undefined): number {
  if (terms === undefined) return mix(hash, ABSENT)
  const { data, owner, reentrant, priority, steal, upgrades, lockDelayMs, minHoldMs, fingerprint } = terms
  const flags = (reentrant ? 1 : 0) + (steal ? 2 : 0)
  const ofNumbers = [flags, priority, upgrades, lockDelayMs, minHoldMs].reduce(number, hash)
  const ofTexts = text(text(ofNumbers, data), owner)
  return fingerprint === undefined ? mix(ofTexts, ABSENT) : text(ofTexts, fingerprint)
}

function ofSuccession(hash: number, succession: Succession | undefined): number {
  if (succession === undefined) return mix(hash, ABSENT)
  const { heir, restMs, result } = succession
  const ofNumbers = number(number(hash, heir), restMs)
  return result === undefined ? mix(ofNumbers, ABSENT) : number(text(ofNumbers, result.data), result.keepMs)
}

function ofIntervention(hash: number, { name, note }: RequestId & { name: string; note: string }): number {
  return text(text(hash, name), note)
}

const ABSENT = 0x55aa55aa

function optional(hash: number, value: number | undefined): number {
  return value === undefined ? mix(hash, ABSENT) : number(hash, value)
}

function texts(hash: number, all: readonly string[]): number {
  let next = mix(hash, all.length)
  for (const each of all) next = text(next, each)
  return next
}

function text(hash: number, value: string): number {
  let next = mix(hash, value.length)
  for (let i = 0; i < value.length; i++) next = mix(next, value.charCodeAt(i))
  return next
}

/** Both halves of a whole number. */
function number(hash: number, value: number): number {
  return mix(mix(hash, value), Math.floor(value / 2 ** 32))
}

/** A step of MurmurHash3. */
function mix(hash: number, word: number): number {
  const scrambled = Math.imul(word, 0xcc9e2d51)
  const mixed = hash ^ Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}
