import { RefusedError } from '../../src/client/errors.js'
import type { Connector, Link, Problem } from '../../src/client/ports.js'
import {
  type Answer,
  type Notice,
  Notice_Kind,
  RefusalCode,
  type Request,
  type ServerFrame,
} from '../../src/protocol/lockkeeper.js'
import type { ClientNetwork } from './client-network.js'
import type { History } from './history.js'
import type { Process } from './process.js'
import type { Random } from './random.js'

export type Operation = NonNullable<Request['operation']>
export type Told = NonNullable<Answer['result']>

export interface WireSessionParts {
  readonly process: Process
  readonly random: Random
  readonly network: ClientNetwork
  /** Of the nodes there are now. */
  readonly addresses: () => readonly string[]
  readonly ttlMs: number
  readonly history: History
  /** A holder is told something. */
  readonly onNotice: (notice: Notice) => void
}

/** The session is over; the next thing is a new one. */
export class Over extends Error {}

interface Pending {
  readonly slot: number
  readonly seq: number
  operation: Operation
  readonly resolve: (told: Told) => void
  readonly reject: (error: Error) => void
}

interface Attached {
  readonly link: Link
  isWelcome: boolean
  heardMs: number
}

const PROTOCOL_VERSION = 1
const SILENCE_MS_MAX = 1_000
const LOOK_EVERY_MS = 200
const PAUSE_MS_MAX = 200
/** How often all that is asked goes to a second node as well, or again to the same. */
const DOUBLED = 0.3
/** The node says nothing of the request itself. */
const PASSING: ReadonlySet<RefusalCode> = new Set([
  RefusalCode.NO_LEADER,
  RefusalCode.STOPPING,
  RefusalCode.BUSY,
])
const ENDED: ReadonlySet<RefusalCode> = new Set([RefusalCode.SESSION_EXPIRED, RefusalCode.SESSION_UNKNOWN])

/**
 * One session of a program that speaks the wire contract by itself: Attach streams to one node or two at a time, each
 * request under its numbers on either or both until one is answered. All answers to the same numbers must agree (P5).
 */
export class WireSession {
  id = 0
  readonly #parts: WireSessionParts
  readonly #key: number
  readonly #connector: Connector
  readonly #attached: Attached[] = []
  readonly #pending = new Set<Pending>()
  /** By slot; slot 0 is for renewals. */
  readonly #seqs: number[] = [0]
  readonly #free: number[] = []
  readonly #answers = new Map<string, Told>()
  /** Tokens of claims that it was told it has lost. */
  readonly losses = new Set<number>()
  #isOver = false
  #onOpened: () => void = () => undefined

  constructor(parts: WireSessionParts) {
    this.#parts = parts
    this.#key = parts.random.integer(1, Number.MAX_SAFE_INTEGER - 1)
    this.#connector = parts.network.connector(parts.process)
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Resolves when a node has welcomed it. */
  open(): Promise<void> {
    this.#attach()
    this.#look()
    this.#renew()
    return new Promise((resolve) => {
      this.#onOpened = resolve
    })
  }

  /** Until it is answered. Rejects with `Over`. `onSent` gets how to take it back. */
  ask(operation: Operation, onSent: (takeBack: () => void) => void = () => undefined): Promise<Told> {
    return new Promise((resolve, reject) => {
      if (this.#isOver) return reject(new Over())
      const slot = this.#free.pop() ?? this.#seqs.push(0) - 1
      const seq = ++this.#seqs[slot]!
      const pending = { slot, seq, operation, resolve, reject }
      this.#pending.add(pending)
      this.#send(pending)
      onSent(() => {
        if (!this.#pending.has(pending)) return
        pending.operation = { $case: 'cancel', value: {} }
        this.#send(pending)
      })
    })
  }

  /** Says nothing more, to anybody. */
  abandon(): void {
    this.#isOver = true
    this.#connector.close()
    for (const { reject } of this.#pending) reject(new Over())
    this.#pending.clear()
  }

  #attach(): void {
    if (this.#isOver) return
    const { process, random, addresses, ttlMs } = this.#parts
    const link = this.#connector.attach(random.pick(addresses()), {
      onFrame: (frame) => this.#receive(attached, frame),
      onClosed: (problem) => this.#closed(attached, problem),
    })
    const attached: Attached = { link, isWelcome: false, heardMs: process.clock.nowMs() }
    this.#attached.push(attached)
    const session = { id: this.id, key: this.#key }
    const hello = { protocolVersion: PROTOCOL_VERSION, clusterId: '', session, ttlMs, label: process.name }
    link.send({ hello, requests: [] })
  }

  #closed(attached: Attached, problem: Problem): void {
    this.#drop(attached)
    if (!(problem instanceof RefusedError)) return
    if (problem.code === 'SESSION_EXPIRED') this.abandon()
    else if (!PASSING.has(RefusalCode[problem.code as keyof typeof RefusalCode]))
      this.#parts.history.broken('a stream was refused', { problem })
  }

  #drop(attached: Attached): void {
    const place = this.#attached.indexOf(attached)
    if (place >= 0) this.#attached.splice(place, 1)
  }

  /** Whoever is silent is left; there is always somebody else to turn to, now and then two at a time. */
  #look(): void {
    if (this.#isOver) return
    const { process, random } = this.#parts
    for (const attached of [...this.#attached]) {
      if (process.clock.nowMs() - attached.heardMs < SILENCE_MS_MAX) continue
      attached.link.close()
      this.#drop(attached)
    }
    if (this.#attached.length === 0 || (this.#attached.length === 1 && this.id > 0 && random.chance(0.1)))
      this.#attach()
    process.clock.after(random.between(0, 2 * LOOK_EVERY_MS), () => this.#look())
  }

  #renew(): void {
    if (this.#isOver) return
    const { process, ttlMs } = this.#parts
    const request: Request = { slot: 0, seq: ++this.#seqs[0]!, operation: { $case: 'renew', value: {} } }
    for (const { link, isWelcome } of this.#attached)
      if (isWelcome) link.send({ hello: undefined, requests: [request] })
    process.clock.after(Math.min(ttlMs / 4, SILENCE_MS_MAX / 3), () => this.#renew())
  }

  #send(pending: Pending): void {
    const { slot, seq, operation } = pending
    const frame = { hello: undefined, requests: [{ slot, seq, operation }] }
    const welcome = this.#attached.filter(({ isWelcome }) => isWelcome)
    const { random } = this.#parts
    for (const [k, { link }] of welcome.entries()) if (k === 0 || random.chance(DOUBLED)) link.send(frame)
    if (welcome.length === 1 && random.chance(DOUBLED / 2)) welcome[0]!.link.send(frame)
  }

  #receive(attached: Attached, { welcome, answers, sessionEnded, notices }: ServerFrame): void {
    // A node that only refuses, for now and again for now, is left like a silent one.
    const isRefusal = answers.length > 0 && answers.every(({ result }) => isPassing(result!))
    if (!isRefusal) attached.heardMs = this.#parts.process.clock.nowMs()
    if (welcome !== undefined) {
      this.id = welcome.session!.id
      attached.isWelcome = true
      for (const pending of this.#pending) this.#send(pending)
      this.#onOpened()
    }
    for (const { slot, seq, result } of answers)
      if (slot > 0 && !this.#isOver) this.#answered(slot, seq, result!)
    for (const notice of notices) {
      if (notice.kind === Notice_Kind.LOST) this.losses.add(notice.token)
      this.#parts.onNotice(notice)
    }
    if (sessionEnded !== undefined) this.abandon()
  }

  #answered(slot: number, seq: number, told: Told): void {
    const { process, random, history } = this.#parts
    if (told.$case === 'refused' && ENDED.has(told.value.code)) return this.abandon()
    const pending = [...this.#pending].find((it) => it.slot === slot && it.seq === seq)
    if (isPassing(told)) {
      if (pending === undefined) return
      process.clock.after(
        random.between(0, PAUSE_MS_MAX),
        () => this.#pending.has(pending) && this.#send(pending),
      )
      return
    }
    if (pending?.operation.$case === 'cancel' && told.$case !== 'cancelled') return
    const key = `${slot}/${seq}`
    const known = this.#answers.get(key)
    if (known !== undefined) {
      if (!areOne(known, told))
        history.broken('P5 exactly once: one request, two answers', { session: this.id, key, known, told })
      return
    }
    if (pending === undefined) return
    this.#answers.set(key, told)
    this.#pending.delete(pending)
    this.#free.push(slot)
    history.note(process.name, `${key} ${pending.operation.$case}: ${JSON.stringify(told)}`)
    pending.resolve(told)
  }
}

function isPassing(told: Told): boolean {
  return told.$case === 'refused' && PASSING.has(told.value.code)
}

const STALE: ReadonlySet<RefusalCode> = new Set([RefusalCode.STALE_REQUEST, RefusalCode.CANCELLED])

/**
 * What is found is looked for each time, and may be gone; a belated copy may find that the slot has moved on. An old version
 * has no memory of what it does not know.
 */
function areOne(first: Told, second: Told): boolean {
  if (first.$case === 'refused' && first.value.code === RefusalCode.UNSUPPORTED) return true
  if (first.$case === 'cancelled' || (second.$case === 'refused' && STALE.has(second.value.code))) return true
  if (first.$case === 'found') return second.$case === 'found' || second.$case === 'refused'
  // Of two copies, the second was answered first, by another node.
  if (second.$case === 'found' && first.$case === 'refused') return STALE.has(first.value.code)
  return JSON.stringify(first) === JSON.stringify(second)
}
