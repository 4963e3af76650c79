import {
  type Append,
  assert,
  type Configuration,
  type Entry,
  type Message,
  type NodeId,
} from '../../raft/index.js'
import type { Chunk, PeerItem } from '../replica/ports.js'
import { type Fields, FrameError, pack, unpack } from './fields.js'

/**
 * A frame is the items of one turn: [format, item, item, …]. An item is [tag, field, …], with its fields in the order
 * of `message.ts`; an append ends in term, payload, term, payload, …: the indexes follow from `prevIndex`. The few
 * entries with a configuration are named before: [index, voters, outgoing, learners].
 */
const FORMAT = 2

const TAG = {
  vote: 1,
  vote_result: 2,
  append: 3,
  append_result: 4,
  commit: 5,
  read: 6,
  read_result: 7,
  forward: 8,
  timeout_now: 9,
} as const

const ITEM_BYTES = 96
const ENTRY_BYTES = 16
const CONFIG_BYTES = 32
const NODE_ID_BYTES = 9

/** At least the bytes that the item takes in a frame. */
export function itemBytes(item: PeerItem): number {
  if (item.kind === 'forward') return ITEM_BYTES + item.chunk.commands.length
  let bytes = ITEM_BYTES
  if (item.message.kind === 'append') {
    for (const { payload, config } of item.message.entries) {
      bytes += ENTRY_BYTES + payload.length
      if (config !== undefined) bytes += CONFIG_BYTES + NODE_ID_BYTES * listsOf(config).flat().length
    }
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
      return [TAG.vote, m.term, m.pre, m.transfer, m.lastIndex, m.lastTerm]
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
    case 'timeout_now':
      return [TAG.timeout_now, m.term]
  }
}

function appendFields(m: Append): unknown[] {
  const configs: unknown[] = []
  const fields: unknown[] = [TAG.append, m.term, m.prevIndex, m.prevTerm, m.commit, m.round, configs]
  let index = m.prevIndex
  for (const entry of m.entries) {
    assert(entry.index === ++index, 'entries of an append follow prevIndex', {
      index: entry.index,
      expected: index,
    })
    fields.push(entry.term, entry.payload)
    if (entry.config !== undefined) configs.push([entry.index, ...listsOf(entry.config)])
  }
  return fields
}

function listsOf({ voters, outgoing, learners }: Configuration): (readonly NodeId[])[] {
  return [voters, outgoing, learners]
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
      return {
        kind: 'vote',
        term,
        pre: f.flag(),
        transfer: f.flag(),
        lastIndex: f.number(),
        lastTerm: f.number(),
      }
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
    case TAG.timeout_now:
      return { kind: 'timeout_now', term }
    default:
      throw new FrameError(`unknown tag ${tag}`)
  }
}

function append(term: number, f: Fields): Append {
  const head = { prevIndex: f.number(), prevTerm: f.number(), commit: f.number(), round: f.number() }
  const configs = configurations(f.fields())
  const entries: Entry[] = []
  let index = head.prevIndex
  while (!f.done) {
    const entry = { index: ++index, term: f.number(), payload: f.bytes() }
    const config = configs.get(index)
    entries.push(config === undefined ? entry : { ...entry, config })
  }
  return { kind: 'append', term, ...head, entries }
}

/** By the index of their entry. */
function configurations(f: Fields): Map<number, Configuration> {
  const configs = new Map<number, Configuration>()
  while (!f.done) {
    const one = f.fields()
    const index = one.number()
    configs.set(index, {
      voters: numbers(one.fields()),
      outgoing: numbers(one.fields()),
      learners: numbers(one.fields()),
    })
    one.end()
  }
  return configs
}

function numbers(f: Fields): number[] {
  const all: number[] = []
  while (!f.done) all.push(f.number())
  return all
}

function chunk(f: Fields): Chunk {
  return { origin: f.number(), first: f.number(), count: f.number(), commands: f.bytes() }
}
