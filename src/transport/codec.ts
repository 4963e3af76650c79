import { type Append, assert, type Entry, type Message } from '../../raft/index.js'
import type { Chunk, PeerItem } from '../replica/ports.js'
import { type Fields, FrameError, pack, unpack } from './fields.js'

/**
 * A frame is the items of one turn: [format, item, item, …]. An item is [tag, field, …], with its fields in the order
 * of `message.ts`; an append ends in term, payload, term, payload, …: the indexes follow from `prevIndex`.
 */
const FORMAT = 1

const TAG = {
  vote: 1,
  vote_result: 2,
  append: 3,
  append_result: 4,
  commit: 5,
  read: 6,
  read_result: 7,
  forward: 8,
} as const

const ITEM_BYTES = 96
const ENTRY_BYTES = 16

/** At least the bytes that the item takes in a frame. */
export function itemBytes(item: PeerItem): number {
  if (item.kind === 'forward') return ITEM_BYTES + item.chunk.commands.length
  let bytes = ITEM_BYTES
  if (item.message.kind === 'append') {
    for (const entry of item.message.entries) bytes += ENTRY_BYTES + entry.payload.length
  }
  return bytes
}

export function encodeItems(items: readonly PeerItem[]): Buffer {
  const frame: unknown[] = [FORMAT]
  for (const item of items)
    frame.push(item.kind === 'raft' ? messageFields(item.message) : chunkFields(item.chunk))
  return pack(frame)
}

/** The items own their bytes. Throws a `FrameError` if any of them is malformed: then none of the frame is good. */
export function decodeItems(frame: Uint8Array): PeerItem[] {
  const fields = unpack(frame)
  const format = fields.number()
  if (format !== FORMAT)
    throw new FrameError(`frame of format ${format}; this version reads format ${FORMAT}`)
  const items: PeerItem[] = []
  while (!fields.done) items.push(decodeItem(fields.fields()))
  return items
}

function messageFields(m: Message): unknown[] {
  switch (m.kind) {
    case 'vote':
      return [TAG.vote, m.term, m.pre, m.lastIndex, m.lastTerm]
    case 'vote_result':
      return [TAG.vote_result, m.term, m.pre, m.granted]
    case 'append':
      return appendFields(m)
    case 'append_result':
      return [TAG.append_result, m.term, m.accepted, m.index, m.hintIndex, m.hintTerm, m.round]
    case 'commit':
      return [TAG.commit, m.term, m.commit]
    case 'read':
      return [TAG.read, m.term, m.id]
    case 'read_result':
      return [TAG.read_result, m.term, m.id, m.index]
  }
}

function appendFields(m: Append): unknown[] {
  const fields: unknown[] = [TAG.append, m.term, m.prevIndex, m.prevTerm, m.commit, m.round]
  let index = m.prevIndex
  for (const entry of m.entries) {
    assert(entry.index === ++index, 'entries of an append follow prevIndex', {
      index: entry.index,
      expected: index,
    })
    fields.push(entry.term, entry.payload)
  }
  return fields
}

function chunkFields({ origin, first, count, commands }: Chunk): unknown[] {
  return [TAG.forward, origin, first, count, commands]
}

function decodeItem(f: Fields): PeerItem {
  const tag = f.number()
  const item: PeerItem =
    tag === TAG.forward ? { kind: 'forward', chunk: chunk(f) } : { kind: 'raft', message: message(tag, f) }
  f.end()
  return item
}

function message(tag: number, f: Fields): Message {
  const term = f.number()
  switch (tag) {
    case TAG.vote:
      return { kind: 'vote', term, pre: f.flag(), lastIndex: f.number(), lastTerm: f.number() }
    case TAG.vote_result:
      return { kind: 'vote_result', term, pre: f.flag(), granted: f.flag() }
    case TAG.append:
      return append(term, f)
    case TAG.append_result:
      return {
        kind: 'append_result',
        term,
        accepted: f.flag(),
        index: f.number(),
        hintIndex: f.number(),
        hintTerm: f.number(),
        round: f.number(),
      }
    case TAG.commit:
      return { kind: 'commit', term, commit: f.number() }
    case TAG.read:
      return { kind: 'read', term, id: f.number() }
    case TAG.read_result:
      return { kind: 'read_result', term, id: f.number(), index: f.number() }
    default:
      throw new FrameError(`unknown tag ${tag}`)
  }
}

function append(term: number, f: Fields): Append {
  const head = { prevIndex: f.number(), prevTerm: f.number(), commit: f.number(), round: f.number() }
  const entries: Entry[] = []
  let index = head.prevIndex
  while (!f.done) entries.push({ index: ++index, term: f.number(), payload: f.bytes() })
  return { kind: 'append', term, ...head, entries }
}

/** A command takes a byte at least. Each node makes as many as `count` says: a false one would be the death of all. */
function chunk(f: Fields): Chunk {
  const made = { origin: f.number(), first: f.number(), count: f.number(), commands: f.bytes() }
  if (made.count > made.commands.length)
    throw new FrameError(`a chunk of ${made.count} commands in too few bytes`)
  return made
}
