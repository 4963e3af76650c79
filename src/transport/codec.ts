import {
  type Append,
  assert,
  type Configuration,
  type Entry,
  type LogStart,
  type Message,
  type NodeId,
} from '../../raft/index.js'
import type { Chunk, PeerItem } from '../replica/ports.js'
import { type Fields, pack, unpack } from './fields.js'
import { FrameError } from './frame-error.js'

/**
 * A frame is the items of one turn: [format, item, item, …]. An item is [tag, field, …], with its fields in the order
 * of `message.ts`; an append ends in [term, payload, config], …, config being left out where there is none; the indexes
 * follow from `prevIndex`.
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
  timeout_now: 9,
  snapshot_offer: 10,
  snapshot_want: 11,
  snapshot_chunk: 12,
  digest: 13,
  low_on_disk: 14,
  kept: 15,
  low_on_memory: 16,
} as const

const LOW_TAG = { disk: TAG.low_on_disk, memory: TAG.low_on_memory } as const

const ITEM_BYTES = 96
const ENTRY_BYTES = 16
const CONFIG_BYTES = 16
const NUMBER_BYTES = 9

/** At least the bytes that the item takes in a frame. */
export function itemBytes(item: PeerItem): number {
  switch (item.kind) {
    case 'forward':
      return ITEM_BYTES + item.chunk.commands.length
    case 'snapshot_chunk':
      return ITEM_BYTES + item.data.length
    case 'snapshot_offer':
      return ITEM_BYTES + configBytes(item.start.config)
    case 'raft':
      return ITEM_BYTES + (item.message.kind === 'append' ? entriesBytes(item.message.entries) : 0)
    default:
      return ITEM_BYTES
  }
}

function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0
  for (const { payload, config } of entries)
    bytes += ENTRY_BYTES + payload.length + (config === undefined ? 0 : configBytes(config))
  return bytes
}

function configBytes({ voters, outgoing, learners }: Configuration): number {
  return CONFIG_BYTES + NUMBER_BYTES * (voters.length + outgoing.length + learners.length)
}

export function encodeItems(items: readonly PeerItem[]): Buffer {
  const frame: unknown[] = [FORMAT]
  for (const item of items) frame.push(itemFields(item))
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

/** Throws a `FrameError` also if this peer speaks for another node: the replies would go to who never asked. */
export function decodeItemsFrom(peer: NodeId, frame: Uint8Array): PeerItem[] {
  const items = decodeItems(frame)
  for (const item of items) {
    if (item.kind !== 'forward' || item.chunk.origin === peer) continue
    throw new FrameError(`commands in the name of node ${item.chunk.origin}`)
  }
  return items
}

function itemFields(item: PeerItem): unknown[] {
  switch (item.kind) {
    case 'raft':
      return messageFields(item.message)
    case 'forward':
      return chunkFields(item.chunk)
    case 'digest':
      return [TAG.digest, item.index, item.digest]
    case 'kept':
      return [TAG.kept, item.index]
    case 'low':
      return [LOW_TAG[item.resource], item.freeBytes, item.reserveBytes]
    case 'snapshot_offer':
      return [TAG.snapshot_offer, item.start.index, item.start.term, configFields(item.start.config)]
    case 'snapshot_want':
      return item.sequence === undefined
        ? [TAG.snapshot_want, item.index]
        : [TAG.snapshot_want, item.index, item.sequence]
    case 'snapshot_chunk':
      return [TAG.snapshot_chunk, item.index, item.data]
  }
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
  const fields: unknown[] = [TAG.append, m.term, m.prevIndex, m.prevTerm, m.commit, m.round]
  let index = m.prevIndex
  for (const entry of m.entries) {
    assert(entry.index === ++index, 'entries of an append follow prevIndex', {
      index: entry.index,
      expected: index,
    })
    fields.push(entryFields(entry))
  }
  return fields
}

function entryFields({ term, payload, config }: Entry): unknown[] {
  return config === undefined ? [term, payload] : [term, payload, configFields(config)]
}

function configFields({ voters, outgoing, learners }: Configuration): unknown[] {
  return [voters, outgoing, learners]
}

function chunkFields({ origin, first, count, commands }: Chunk): unknown[] {
  return [TAG.forward, origin, first, count, commands]
}

function decodeItem(f: Fields): PeerItem {
  const item = itemOf(f.number(), f)
  f.end()
  return item
}

function itemOf(tag: number, f: Fields): PeerItem {
  switch (tag) {
    case TAG.forward:
      return { kind: 'forward', chunk: chunk(f) }
    case TAG.digest:
      return { kind: 'digest', index: f.number(), digest: f.number() }
    case TAG.kept:
      return { kind: 'kept', index: f.number() }
    case TAG.low_on_disk:
      return { kind: 'low', resource: 'disk', freeBytes: f.number(), reserveBytes: f.number() }
    case TAG.low_on_memory:
      return { kind: 'low', resource: 'memory', freeBytes: f.number(), reserveBytes: f.number() }
    case TAG.snapshot_offer:
      return { kind: 'snapshot_offer', start: logStart(f) }
    case TAG.snapshot_want:
      return { kind: 'snapshot_want', index: f.number(), sequence: f.done ? undefined : f.number() }
    case TAG.snapshot_chunk:
      return { kind: 'snapshot_chunk', index: f.number(), data: f.bytes() }
    default:
      return { kind: 'raft', message: message(tag, f) }
  }
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
  const entries: Entry[] = []
  let index = head.prevIndex
  while (!f.done) entries.push(entryOf(++index, f.fields()))
  return { kind: 'append', term, ...head, entries }
}

/**
 * A command takes a byte at least. Each node makes as many as `count` says: a false one would be the death of all. Numbers are
 * from 1, since others are for what the leader says itself.
 */
function chunk(f: Fields): Chunk {
  const made = { origin: f.number(), first: f.number(), count: f.number(), commands: f.bytes() }
  if (made.first === 0) throw new FrameError('a chunk without a number')
  if (made.count === 0 || made.count > made.commands.length)
    throw new FrameError(`a chunk of ${made.count} commands in too few bytes`)
  return made
}

function entryOf(index: number, f: Fields): Entry {
  const entry = { index, term: f.number(), payload: f.bytes() }
  const whole = f.done ? entry : { ...entry, config: configuration(f.fields()) }
  f.end()
  return whole
}

function logStart(f: Fields): LogStart {
  return { index: f.number(), term: f.number(), config: configuration(f.fields()) }
}

/** Whether it makes sense is for Raft to say. */
function configuration(f: Fields): Configuration {
  const config = { voters: f.numbers(), outgoing: f.numbers(), learners: f.numbers() }
  f.end()
  return config
}
