import type { LogStart } from '../../raft/index.js'
import type { LogPosition, SnapshotChunk } from '../replica/ports.js'
import { type Fields, pack, unpack } from './fields.js'
import { FrameError } from './frame-error.js'

/**
 * After hello and welcome, a stream of salvage is questions and answers, a frame each, one at a time:
 *
 *     [1, index, term]  the log that ends there        [entry as sealed on disk, …], newest first
 *     [2]               which checkpoint there is      [] or [index, term, [voters, outgoing, learners]]
 *     [3, sequence]     a chunk of that checkpoint     [last, data]
 */
const TAG = { log: 1, checkpoint: 2, chunk: 3 } as const

export type Question =
  | { readonly kind: 'log'; readonly last: LogPosition }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'chunk'; readonly sequence: number }

export function encodeQuestion(question: Question): Buffer {
  switch (question.kind) {
    case 'log':
      return pack([TAG.log, question.last.index, question.last.term])
    case 'checkpoint':
      return pack([TAG.checkpoint])
    case 'chunk':
      return pack([TAG.chunk, question.sequence])
  }
}

/** Throws a `FrameError`. */
export function decodeQuestion(frame: Uint8Array): Question {
  const fields = unpack(frame)
  const question = questionOf(fields)
  fields.end()
  return question
}

function questionOf(fields: Fields): Question {
  const tag = fields.number()
  switch (tag) {
    case TAG.log:
      return { kind: 'log', last: { index: fields.number(), term: fields.number() } }
    case TAG.checkpoint:
      return { kind: 'checkpoint' }
    case TAG.chunk:
      return { kind: 'chunk', sequence: fields.number() }
    default:
      throw new FrameError(`unknown question ${tag}`)
  }
}

export function encodeLog(newestFirst: readonly Uint8Array[]): Buffer {
  return pack(newestFirst)
}

/** Throws a `FrameError`, as the other two. */
export function decodeLog(frame: Uint8Array): Uint8Array[] {
  const fields = unpack(frame)
  const newestFirst: Uint8Array[] = []
  while (!fields.done) newestFirst.push(fields.bytes())
  return newestFirst
}

export function encodeStart(start: LogStart | undefined): Buffer {
  if (start === undefined) return pack([])
  const { voters, outgoing, learners } = start.config
  return pack([start.index, start.term, [voters, outgoing, learners]])
}

export function decodeStart(frame: Uint8Array): LogStart | undefined {
  const fields = unpack(frame)
  if (fields.done) return undefined
  const position = { index: fields.number(), term: fields.number() }
  const config = fields.fields()
  return {
    ...position,
    config: { voters: config.numbers(), outgoing: config.numbers(), learners: config.numbers() },
  }
}

export function encodeChunk({ isLast, data }: SnapshotChunk): Buffer {
  return pack([isLast, data])
}

export function decodeChunk(frame: Uint8Array, sequence: number): SnapshotChunk {
  const fields = unpack(frame)
  return { sequence, isLast: fields.flag(), data: fields.bytes() }
}
