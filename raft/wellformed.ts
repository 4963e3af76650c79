import { isSane } from './membership.js'
import type { Append, Message } from './message.js'
import { type Configuration, type Entry, TERM_MAX } from './types.js'

/** Whether a message from a peer makes sense in itself. One that doesn't must not stop this node. */
export function isWellFormed(message: Message): boolean {
  if (!isCount(message?.term) || message.term === 0 || message.term > TERM_MAX) return false
  switch (message.kind) {
    case 'vote':
      return (
        isFlag(message.pre) &&
        isFlag(message.transfer) &&
        isCount(message.lastIndex) &&
        isCount(message.lastTerm) &&
        message.lastTerm < message.term
      )
    case 'vote_result':
      return isFlag(message.pre) && isFlag(message.granted)
    case 'append':
      return isCount(message.commit) && isCount(message.round) && isRun(message)
    case 'append_result':
      return (
        isFlag(message.accepted) &&
        isCount(message.index) &&
        isCount(message.hintIndex) &&
        isCount(message.hintTerm) &&
        isCount(message.round)
      )
    case 'commit':
      return isCount(message.commit)
    case 'read':
      return isCount(message.id)
    case 'read_result':
      return isCount(message.id) && isCount(message.index)
    case 'timeout_now':
      return true
    default:
      return false
  }
}

/** Entries follow `prevIndex` without a hole, and their terms never decrease nor pass the leader's. */
function isRun({ prevIndex, prevTerm, entries, term }: Append): boolean {
  if (!isCount(prevIndex) || !isCount(prevTerm) || !Array.isArray(entries)) return false
  let index = prevIndex
  let entryTerm = prevTerm
  for (const entry of entries as readonly Entry[]) {
    index++
    if (entry?.index !== index || !isCount(entry.term) || entry.term < entryTerm) return false
    if (!(entry.payload instanceof Uint8Array) || !isConfiguration(entry.config)) return false
    entryTerm = entry.term
  }
  return entryTerm <= term
}

function isConfiguration(config: Configuration | undefined): boolean {
  return config === undefined || (typeof config === 'object' && config !== null && isSane(config))
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isFlag(value: unknown): boolean {
  return typeof value === 'boolean'
}
