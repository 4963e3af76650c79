import type { ClaimId, Command, Notice as MachineNotice } from '../machine/language/command.js'
import { LIMITS } from '../machine/language/limits.js'
import { checkCommand } from '../machine/language/validate.js'
import type { Waiter } from '../proposals/proposals.js'
import type { Answer, Hello, Request, Topology, Welcome } from '../protocol/lockkeeper.js'
import type { Timer } from '../replica/ports.js'
import { Asked, type Asker, type Final } from './asked.js'
import { type NodeBuffer, StreamBuffer } from './buffered-bytes.js'
import { ClientFrames, type FramePart } from './client-frames.js'
import type { DoorParts } from './door-parts.js'
import { malformedRefusal } from './malformed.js'
import { Outgoing, sessionEndedFrame } from './outgoing.js'
import { internalRefusal, noLeader, Refusal } from './refusal.js'
import { submit, tooManyUnderWay } from './submit.js'
import { refused, toCommand, toNotice, toResult } from './translate.js'

export const PROTOCOL_VERSION = 1

/** The way back to one client. */
export interface Wire {
  /** Takes the next frame when `onTaken` has been called for the one before it. */
  send(frame: Uint8Array, onTaken: () => void): void
  /** Nothing is sent after this. Without a refusal the stream ends in peace. */
  end(refusal?: Refusal): void
  /** Whether frames of the client are wanted now. At first they are. */
  setReading(isWanted: boolean): void
}

interface Bound {
  readonly session: number
  readonly key: number
}

/** What all streams of a node share. */
export interface StreamSurroundings {
  readonly parts: DoorParts
  readonly topology: () => Topology
  /** Frames that have yet to be taken, and replies that have yet to be sent. */
  readonly incoming: NodeBuffer
  readonly outgoing: NodeBuffer
}

/** From the opening of the stream to Welcome: a client that greets nobody, or a cluster without a leader. */
const WELCOME_MS = 10_000
/** A client that takes nothing of what it is sent for this long is cut off. */
const UNREAD_MS = 10_000
/** Requests of one stream that are in the log, or on their way to it; waiting in a queue does not count. */
const UNDER_WAY_MAX = 2_048
const REQUESTS_PER_STEP = 4
const LEAVES_PER_STEP = 64
const CLUSTER_ID = /^[\w.-]{1,64}$/

/**
 * One client's stream: hello, then requests in and answers out, each by its slot and seq, in any order. Requests are taken
 * in slices, and no faster than their answers are: what is not taken stays in the client's socket.
 */
export class AttachedStream implements Asker {
  readonly #parts: DoorParts
  readonly #topology: () => Topology
  readonly #wire: Wire
  readonly #onOver: () => void
  readonly #asked = new Set<Asked>()
  /** Claims of `#asked` that wait in a queue. */
  readonly #queued = new Set<ClaimId>()
  readonly #welcomeTimer: Timer
  readonly #frames = new ClientFrames()
  readonly #incomingBuffer: StreamBuffer
  readonly #outgoing: Outgoing
  readonly #outgoingBuffer: StreamBuffer
  #greeted = false
  #bound: Bound | undefined
  #stopListening: readonly (() => void)[] = []
  #takeDue = false
  #sendDue = false
  #isSending = false
  /** Frames that the client has taken. */
  #taken = 0
  #unreadTimer: Timer | undefined
  /** What is sent last; the client is not listened to any more. */
  #farewell: { readonly frame?: Uint8Array; readonly refusal?: Refusal } | undefined
  #over = false

  constructor(surroundings: StreamSurroundings, wire: Wire, onOver: () => void) {
    const { parts, topology, incoming, outgoing } = surroundings
    this.#parts = parts
    this.#topology = topology
    this.#wire = wire
    this.#onOver = onOver
    this.#incomingBuffer = new StreamBuffer(incoming)
    this.#outgoingBuffer = new StreamBuffer(outgoing)
    this.#outgoing = new Outgoing(this.#outgoingBuffer)
    this.#welcomeTimer = parts.clock.after(WELCOME_MS, () => this.#notWelcomedInTime())
  }

  get isGone(): boolean {
    return this.#over
  }

  /** A frame of the client, as it came. A renewal in it is not kept waiting by the requests before it. */
  receive(frame: Uint8Array): void {
    if (this.#over) return
    const renewal = this.#frames.push(frame)
    if (renewal !== undefined && this.#bound !== undefined) this.#take(renewal, this.#bound)
    this.#readIfRoom()
    this.#takeSoon()
  }

  /** The client has left, or can't be reached. Its session lives on until its TTL. */
  closed(): void {
    this.#finish()
    this.#drop()
  }

  /** Ends the stream with a reason, after what is on its way. */
  refuse(refusal: Refusal): void {
    if (this.#over) return
    this.#finish()
    this.#bid({ refusal })
  }

  /** News of the cluster, encoded; until Welcome has been sent there is nobody to tell. */
  tell(topology: Uint8Array): void {
    if (this.#bound === undefined || this.#over) return
    this.#outgoing.topology(topology)
    this.#sendSoon()
  }

  onQueued(asked: Asked, claim: ClaimId): void {
    // A copy of a request that waits already: one answer is enough.
    if (this.#queued.has(claim)) {
      asked.leave()
      this.#asked.delete(asked)
    } else this.#queued.add(claim)
    this.#takeSoon()
  }

  onFinal(asked: Asked, final: Final): void {
    this.#asked.delete(asked)
    if (asked.claim !== undefined) this.#queued.delete(asked.claim)
    this.#answer(asked.slot, asked.seq, this.#resultOf(final))
    if (final.kind === 'granted') this.#remind(final.token)
    this.#takeSoon()
  }

  #takeSoon(): void {
    if (this.#takeDue || this.#frames.isEmpty || !this.#mayTake()) return
    this.#takeDue = true
    this.#parts.workQueue.add(this, () => this.#takeSome())
  }

  /** A client that does not read the answers it has asked for gets no more of them. */
  #mayTake(): boolean {
    const underWay = this.#asked.size - this.#queued.size
    return !this.#over && underWay < UNDER_WAY_MAX && !this.#outgoingBuffer.isFull
  }

  #takeSome(): boolean {
    try {
      for (let k = 0; k < REQUESTS_PER_STEP && this.#mayTake(); k++) {
        const part = this.#frames.next()
        if (part === undefined) break
        this.#takePart(part)
      }
    } catch (error) {
      this.refuse(internalRefusal(this.#parts.logger, error))
    }
    this.#readIfRoom()
    this.#takeDue = !this.#frames.isEmpty && this.#mayTake()
    return this.#takeDue
  }

  #readIfRoom(): void {
    this.#incomingBuffer.bytes = this.#frames.bytes
    this.#wire.setReading(!this.#incomingBuffer.isFull)
  }

  #takePart(part: FramePart): void {
    if (part.kind === 'unreadable') this.refuse(malformedRefusal())
    else if (this.#bound !== undefined) {
      if (part.kind === 'request') this.#take(part.request, this.#bound)
    } else if (part.kind === 'hello' && !this.#greeted) {
      this.#greeted = true
      this.#greet(part.hello)
    } else if (part.kind !== 'end' || !this.#greeted) {
      this.refuse(invalid('say hello in the first frame, and send nothing more before Welcome has come'))
    }
  }

  #greet(hello: Hello): void {
    const { clusterId } = this.#parts
    if (hello.protocolVersion !== PROTOCOL_VERSION) {
      const both = `protocol version ${PROTOCOL_VERSION}, and the client ${hello.protocolVersion}`
      this.refuse(new Refusal('UNSUPPORTED', `this node speaks ${both}; upgrade the older of the two`))
    } else if (hello.clusterId !== '' && hello.clusterId !== clusterId) {
      // What can't be a cluster's id is not echoed: it may be megabytes, and a status travels in a header.
      const theirs = CLUSTER_ID.test(hello.clusterId) ? `'${hello.clusterId}'` : 'the one you name'
      const both = `'${clusterId}', not of ${theirs}`
      this.refuse(new Refusal('WRONG_CLUSTER', `this is a node of cluster ${both}; check the addresses`))
    } else {
      this.#enter(hello)
    }
  }

  /** By way of the log: a Welcome is proof that the session was alive when the hello arrived. */
  #enter({ session: { id, key } = { id: 0, key: 0 }, ttlMs, label }: Hello): void {
    const command: Command =
      id === 0 ? { op: 'open', key, ttlMs, label } : { op: 'keepAlive', session: id, key }
    if (key === 0) return this.refuse(invalid('choose a session key at random, from 1 to 2^53 - 1'))
    const welcome = (final: Final): void => {
      if (final.kind === 'opened') this.#welcome({ session: final.session, key }, final.ttlMs)
      else if (final.kind === 'renewed') this.#welcome({ session: id, key }, final.ttlMs)
      else if (final.kind === 'refused') this.refuse(new Refusal(final.code, final.message))
    }
    const problem = checkCommand(command)
    if (problem !== undefined) return welcome(problem)
    const refusal = submit(this.#parts, command, this.#waiterFor(welcome))
    if (refusal !== undefined) this.refuse(refusal)
  }

  #waiterFor(settle: (final: Final) => void): Waiter {
    const isGone = (): boolean => this.#over
    return {
      get gone() {
        return isGone()
      },
      settle: (verdict) => {
        if (verdict.kind !== 'queued' && !isGone()) settle(verdict)
      },
    }
  }

  #welcome(bound: Bound, ttlMs: number): void {
    const { clusterId, nodeId, attachments } = this.#parts
    this.#bound = bound
    this.#welcomeTimer.cancel()
    this.#stopListening = [
      attachments.onSessionEnded(bound.session, (reason) => this.#sessionEnded(reason)),
      attachments.onNoticed(bound.session, (notice) => this.#notice(notice)),
    ]
    const welcome: Welcome = {
      protocolVersion: PROTOCOL_VERSION,
      clusterId,
      nodeId,
      session: { id: bound.session, key: bound.key },
      ttlMs,
      topology: this.#topology(),
    }
    this.#outgoing.welcome(welcome)
    for (const loss of this.#losses(bound)) this.#notice(loss)
    this.#sendSoon()
  }

  #take({ slot, seq, operation }: Request, { session, key }: Bound): void {
    const command = operation && toCommand({ session, key, slot, seq }, operation)
    if (command === undefined) {
      const unknown = refused('UNSUPPORTED', 'this node does not know that operation; upgrade it')
      return this.#answer(slot, seq, unknown)
    }
    const problem = checkCommand(command)
    if (problem !== undefined) return this.#answer(slot, seq, toResult(problem))
    const asked = new Asked(this.#parts.attachments, this, slot, seq)
    const isFull = this.#asked.size >= LIMITS.requestsPerStreamMax
    const refusal = isFull ? tooManyUnderWay() : submit(this.#parts, command, asked)
    if (refusal === undefined) this.#asked.add(asked)
    else this.#answer(slot, seq, refused(refusal.code, refusal.message))
  }

  #answer(slot: number, seq: number, result: NonNullable<Answer['result']>): void {
    this.#outgoing.answer({ slot, seq, result })
    this.#sendSoon()
  }

  /** What was found for those who waited in queues comes all at once, however much they were allowed to ask for. */
  #resultOf(final: Final): NonNullable<Answer['result']> {
    const { isFull, isNodeFull } = this.#outgoingBuffer
    if (final.kind !== 'found' || !isFull || !isNodeFull) return toResult(final)
    return refused('BUSY', 'too many answers wait here to be read; repeat with the same numbers, later')
  }

  #notice(notice: MachineNotice): void {
    this.#outgoing.notice(toNotice(notice))
    this.#sendSoon()
  }

  /** A grant that is told late, or again, may be of a claim that is lost; the loss was no news before it. */
  #remind(token: number): void {
    for (const loss of this.#losses(this.#bound!)) if (loss.token === token) this.#notice(loss)
  }

  #losses({ session }: Bound): readonly MachineNotice[] {
    return this.#parts.replica.machine.sessions.get(session)?.losses ?? []
  }

  #sendSoon(): void {
    if (this.#isSending && this.#outgoingBuffer.isFull) this.#watchReader()
    if (this.#sendDue || this.#isSending) return
    this.#sendDue = true
    this.#parts.workQueue.add(this.#outgoing, () => this.#sendNext())
  }

  #sendNext(): boolean {
    this.#sendDue = false
    const frame = this.#outgoing.nextFrame() ?? this.#farewell?.frame
    if (frame === undefined) {
      if (this.#farewell !== undefined) this.#end()
      return false
    }
    if (this.#outgoing.isEmpty && frame === this.#farewell?.frame) this.#farewell = {}
    this.#isSending = true
    this.#wire.send(frame, () => {
      this.#isSending = false
      this.#taken++
      if (!this.#outgoing.isEmpty || this.#farewell !== undefined) this.#sendSoon()
      this.#takeSoon()
    })
    return false
  }

  /** A client that takes frames, however slowly, is not cut off. */
  #watchReader(): void {
    const { clock } = this.#parts
    const taken = this.#taken
    this.#unreadTimer ??= clock.after(UNREAD_MS, () => {
      this.#unreadTimer = undefined
      if (this.#taken === taken) this.#cutOff()
      else if (this.#outgoingBuffer.isFull || this.#farewell !== undefined) this.#watchReader()
    })
  }

  #cutOff(): void {
    const unread = `the client left ${this.#outgoingBuffer.bytes} bytes unread for ${UNREAD_MS} ms`
    this.#finish()
    this.#end(new Refusal('BUSY', `${unread}; read faster, or ask for less at once`))
  }

  #bid(farewell: { readonly frame?: Uint8Array; readonly refusal?: Refusal }): void {
    this.#farewell = farewell
    this.#sendSoon()
    this.#watchReader()
  }

  #end(refusal = this.#farewell?.refusal): void {
    this.#drop()
    this.#wire.end(refusal)
  }

  /** What was decided before the session ended is told first. */
  #sessionEnded(reason: 'expired' | 'closed'): void {
    if (this.#over) return
    this.#finish()
    this.#bid({ frame: sessionEndedFrame(reason) })
  }

  #notWelcomedInTime(): void {
    if (!this.#greeted) this.refuse(invalid(`no hello within ${WELCOME_MS} ms; say hello in the first frame`))
    else this.refuse(noLeader(WELCOME_MS))
  }

  /** Nothing more is taken from the client, and nothing that comes of its requests is reported. */
  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#welcomeTimer.cancel()
    for (const stop of this.#stopListening) stop()
    this.#frames.clear()
    this.#incomingBuffer.bytes = 0
    const asked = this.#asked.values()
    this.#parts.workQueue.add(this, () => this.#leaveSome(asked))
    this.#onOver()
  }

  #leaveSome(asked: Iterator<Asked, undefined>): boolean {
    for (let k = 0; k < LEAVES_PER_STEP; k++) {
      const next = asked.next()
      if (next.done) {
        this.#asked.clear()
        return false
      }
      next.value.leave()
    }
    return true
  }

  /** Nothing more is sent. */
  #drop(): void {
    this.#unreadTimer?.cancel()
    this.#outgoing.clear()
    this.#farewell = undefined
  }
}

function invalid(message: string): Refusal {
  return new Refusal('INVALID', message)
}
