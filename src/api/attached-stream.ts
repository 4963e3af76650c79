import type { Command, Notice as MachineNotice } from '../machine/language/command.js'
import { LIMITS } from '../machine/language/limits.js'
import { checkCommand } from '../machine/language/validate.js'
import type {
  Answer,
  ClientFrame,
  Hello,
  Notice,
  Request,
  ServerFrame,
  Topology,
  Welcome,
} from '../protocol/lockkeeper.js'
import type { Timer } from '../replica/ports.js'
import { Asked, type Final } from './asked.js'
import type { DoorParts } from './door-parts.js'
import { Refusal } from './refusal.js'
import { submit, tooManyUnderWay } from './submit.js'
import { refused, toCommand, toNotice, toResult } from './translate.js'

export const PROTOCOL_VERSION = 1

/** The way back to one client. */
export interface Wire {
  send(frame: ServerFrame): void
  /** Nothing is sent after this. Without a refusal the stream ends in peace. */
  end(refusal?: Refusal): void
}

interface Bound {
  readonly session: number
  readonly key: number
}

/** From the opening of the stream to Welcome: a client that greets nobody, or a cluster without a leader. */
const WELCOME_MS = 10_000
const CLUSTER_ID = /^[\w.-]{1,64}$/
/** Answers in one frame; more go into the next ones. */
const ANSWERS_PER_FRAME = 8_192
/** The same of notices, which have notes. */
const NOTICES_PER_FRAME = 1_024
const EMPTY: ServerFrame = {
  welcome: undefined,
  answers: [],
  topology: undefined,
  sessionEnded: undefined,
  notices: [],
}

/**
 * One client's stream: hello, then requests in and answers out, each by its slot and seq, in any order. Answers of one
 * turn of the event loop leave in one frame.
 */
export class AttachedStream {
  readonly #parts: DoorParts
  readonly #topology: () => Topology
  readonly #wire: Wire
  readonly #onOver: () => void
  readonly #asked = new Set<Asked>()
  readonly #welcomeTimer: Timer
  #greeted = false
  #bound: Bound | undefined
  #stopListening: readonly (() => void)[] = []
  #answers: Answer[] = []
  #notices: Notice[] = []
  /** To be told at the end of this turn. */
  #news: Topology | undefined
  #flushDue = false
  #over = false

  constructor(parts: DoorParts, topology: () => Topology, wire: Wire, onOver: () => void) {
    this.#parts = parts
    this.#topology = topology
    this.#wire = wire
    this.#onOver = onOver
    this.#welcomeTimer = parts.clock.after(WELCOME_MS, () => this.#notWelcomedInTime())
  }

  receive(frame: ClientFrame): void {
    if (this.#over) return
    if (this.#bound !== undefined) {
      for (const request of frame.requests) this.#take(request, this.#bound)
    } else if (this.#greeted || frame.hello === undefined || frame.requests.length > 0) {
      this.refuse(invalid('say hello in the first frame, and send nothing more before Welcome has come'))
    } else {
      this.#greeted = true
      this.#greet(frame.hello)
    }
  }

  /** The client has left, or can't be reached. Its session lives on until its TTL. */
  closed(): void {
    this.#finish()
  }

  /** Ends the stream with a reason. */
  refuse(refusal: Refusal): void {
    if (this.#over) return
    this.#flush()
    this.#finish()
    this.#wire.end(refusal)
  }

  /** News of the cluster; until Welcome has been sent there is nobody to tell. */
  tell(topology: Topology): void {
    if (this.#bound === undefined || this.#over) return
    this.#news = topology
    this.#flushSoon()
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
    this.#ask(
      command,
      (final) => {
        if (final.kind === 'opened') this.#welcome({ session: final.session, key }, final.ttlMs)
        else if (final.kind === 'renewed') this.#welcome({ session: id, key }, final.ttlMs)
        else if (final.kind === 'refused') this.refuse(new Refusal(final.code, final.message))
      },
      (refusal) => this.refuse(refusal),
    )
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
    this.#wire.send({ ...EMPTY, welcome })
    for (const loss of this.#losses(bound)) this.#notice(loss)
    this.#flush()
  }

  #take({ slot, seq, operation }: Request, bound: Bound): void {
    const { session, key } = bound
    const command = operation && toCommand({ session, key, slot, seq }, operation)
    if (command === undefined) {
      this.#answer(slot, seq, refused('UNSUPPORTED', 'this node does not know that operation; upgrade it'))
      return
    }
    this.#ask(
      command,
      (final) => {
        this.#answer(slot, seq, toResult(final))
        if (final.kind === 'granted') this.#remind(final.token, bound)
      },
      ({ code, message }) => this.#answer(slot, seq, refused(code, message)),
    )
  }

  #ask(command: Command, done: (final: Final) => void, failed: (refusal: Refusal) => void): void {
    const problem = checkCommand(command)
    if (problem !== undefined) return done(problem)
    const asked = new Asked(this.#parts.attachments, (final) => {
      this.#asked.delete(asked)
      done(final)
    })
    const isFull = this.#asked.size >= LIMITS.requestsPerStreamMax
    const refusal = isFull ? tooManyUnderWay() : submit(this.#parts, command, asked)
    if (refusal === undefined) this.#asked.add(asked)
    else failed(refusal)
  }

  #answer(slot: number, seq: number, result: NonNullable<Answer['result']>): void {
    this.#answers.push({ slot, seq, result })
    this.#flushSoon()
  }

  /** In the same turn, notices follow answers: of what was granted and lost in it, the grant is told first. */
  #notice(notice: MachineNotice): void {
    this.#notices.push(toNotice(notice))
    this.#flushSoon()
  }

  /** A grant that is told late, or again, may be of a claim that is lost; the loss was no news before it. */
  #remind(token: number, bound: Bound): void {
    for (const loss of this.#losses(bound)) if (loss.token === token) this.#notice(loss)
  }

  #losses({ session }: Bound): readonly MachineNotice[] {
    return this.#parts.replica.machine.sessions.get(session)?.losses ?? []
  }

  #flushSoon(): void {
    if (this.#flushDue) return
    this.#flushDue = true
    this.#parts.clock.soon(() => this.#flush())
  }

  #flush(): void {
    this.#flushDue = false
    if (this.#over) return
    const answers = this.#answers
    const notices = this.#notices
    const topology = this.#news
    this.#answers = []
    this.#notices = []
    this.#news = undefined
    for (let k = 0; k < answers.length; k += ANSWERS_PER_FRAME) {
      this.#wire.send({ ...EMPTY, answers: answers.slice(k, k + ANSWERS_PER_FRAME) })
    }
    for (let k = 0; k < notices.length; k += NOTICES_PER_FRAME) {
      this.#wire.send({ ...EMPTY, notices: notices.slice(k, k + NOTICES_PER_FRAME) })
    }
    if (topology !== undefined) this.#wire.send({ ...EMPTY, topology })
  }

  /** What was decided before the session ended is told first. */
  #sessionEnded(reason: 'expired' | 'closed'): void {
    this.#flush()
    const sessionEnded = { reason: reason === 'expired' ? 'EXPIRED' : 'CLOSED' }
    this.#wire.send({ ...EMPTY, sessionEnded })
    this.#finish()
    this.#wire.end()
  }

  #notWelcomedInTime(): void {
    if (!this.#greeted) this.refuse(invalid(`no hello within ${WELCOME_MS} ms; say hello in the first frame`))
    else this.refuse(noLeader(WELCOME_MS))
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#welcomeTimer.cancel()
    for (const stop of this.#stopListening) stop()
    for (const asked of this.#asked) asked.leave()
    this.#asked.clear()
    this.#onOver()
  }
}

export function noLeader(waitedMs: number): Refusal {
  const within = `within ${Math.round(waitedMs)} ms`
  return new Refusal(
    'NO_LEADER',
    `no leader with a majority answered ${within}; repeat with the same numbers`,
  )
}

function invalid(message: string): Refusal {
  return new Refusal('INVALID', message)
}
