import { Fifo } from '../platform/work-queue.js'
import { type Answer, type Notice, ServerFrame, type Topology, type Welcome } from '../protocol/lockkeeper.js'
import type { StreamBuffer } from './buffered-bytes.js'

type Result = NonNullable<Answer['result']>

/** A frame is full when it has more than this; it takes a fraction of a millisecond to encode. */
const FRAME_BYTES = 128 * 1024
/** What an answer or a notice takes in memory, beside its text. */
const REST_BYTES = 128
const EMPTY: ServerFrame = {
  welcome: undefined,
  answers: [],
  topology: undefined,
  sessionEnded: undefined,
  notices: [],
}

/**
 * What one client has yet to be sent. It is encoded a frame at a time, when the client has taken the frame before: so it does
 * not matter how much it is, and what waits is mostly text that the machine has in memory anyway.
 *
 * Answers come first, and then notices: of what was granted and lost in one turn, the grant is reported first.
 */
export class Outgoing {
  readonly #buffer: StreamBuffer
  readonly #answers = new Fifo<Answer>()
  /** By kind and token: of a claim, the newest of each kind says everything. */
  readonly #notices = new Map<string, Notice>()
  #welcome: Welcome | undefined
  #topology: Uint8Array | undefined

  constructor(buffer: StreamBuffer) {
    this.#buffer = buffer
  }

  get isEmpty(): boolean {
    const { first } = this.#answers
    const isIdle = this.#welcome === undefined && this.#topology === undefined
    return first === undefined && isIdle && this.#notices.size === 0
  }

  /** Goes before everything else. */
  welcome(welcome: Welcome): void {
    this.#welcome = welcome
  }

  answer(answer: Answer): void {
    this.#answers.push(answer)
    this.#buffer.bytes += bytesOf(answer.result)
  }

  notice(notice: Notice): void {
    const key = `${notice.kind} ${notice.token}`
    const before = this.#notices.get(key)
    this.#notices.set(key, notice)
    this.#buffer.bytes += bytesOfNotice(notice) - (before === undefined ? 0 : bytesOfNotice(before))
  }

  /** A frame, encoded by `topologyFrame`, in place of any that was not sent yet. */
  topology(frame: Uint8Array): void {
    this.#topology = frame
  }

  /** Undefined if there is nothing to be sent. */
  nextFrame(): Uint8Array | undefined {
    if (this.isEmpty) return undefined
    const welcome = this.#welcome
    this.#welcome = undefined
    if (welcome !== undefined) return ServerFrame.encode({ ...EMPTY, welcome }).finish()
    const begunBytes = this.#buffer.bytes
    const isFull = (): boolean => begunBytes - this.#buffer.bytes > FRAME_BYTES
    const answers = this.#takeAnswers(isFull)
    const notices = this.#takeNotices(isFull)
    const frame = ServerFrame.encode({ ...EMPTY, answers, notices }).finish()
    const topology = this.#topology
    if (topology === undefined || isFull()) return frame
    this.#topology = undefined
    // Two encodings in a row are the encoding of both.
    return frame.length === 0 ? topology : Buffer.concat([frame, topology])
  }

  clear(): void {
    while (this.#answers.shift() !== undefined);
    this.#notices.clear()
    this.#topology = undefined
    this.#buffer.bytes = 0
  }

  #takeAnswers(isFull: () => boolean): Answer[] {
    const taken: Answer[] = []
    while (!isFull()) {
      const answer = this.#answers.shift()
      if (answer === undefined) break
      this.#buffer.bytes -= bytesOf(answer.result)
      taken.push(answer)
    }
    return taken
  }

  #takeNotices(isFull: () => boolean): Notice[] {
    const taken: Notice[] = []
    for (const [key, notice] of this.#notices) {
      if (isFull()) break
      this.#notices.delete(key)
      this.#buffer.bytes -= bytesOfNotice(notice)
      taken.push(notice)
    }
    return taken
  }
}

/** For all streams of a node. */
export function topologyFrame(topology: Topology): Uint8Array {
  return ServerFrame.encode({ ...EMPTY, topology }).finish()
}

export function sessionEndedFrame(reason: 'expired' | 'closed'): Uint8Array {
  const sessionEnded = { reason: reason === 'expired' ? 'EXPIRED' : 'CLOSED' }
  return ServerFrame.encode({ ...EMPTY, sessionEnded }).finish()
}

function bytesOf(result: Result | undefined): number {
  switch (result?.$case) {
    case 'found':
      return REST_BYTES + result.value.data.length
    case 'refused':
      return REST_BYTES + result.value.message.length
    case 'granted':
      return REST_BYTES + 8 * result.value.seats.length
    default:
      return REST_BYTES
  }
}

function bytesOfNotice({ note }: Notice): number {
  return REST_BYTES + note.length
}
