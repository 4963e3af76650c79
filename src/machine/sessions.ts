/**
 * Who speaks, until when, and what was answered. A session that is not renewed for its TTL is over, and
 * everything it held or waited for with it. Its slots remember the newest answer each: see `RequestId`.
 */
import type { Agenda, Deadline } from './agenda.js'
import type { OpenSession, Refused, SessionId, Verdict } from './command.js'
import { LIMITS } from './limits.js'
import type { Claim } from './queues.js'
import { limitReached, SESSION_EXPIRED, SESSION_FOREIGN, SESSION_UNKNOWN } from './refusals.js'

export interface Session {
  readonly id: SessionId
  readonly key: number
  readonly ttlMs: number
  readonly label: string
  readonly openedAt: number
  /** Over as soon as the clock reaches it: at that very millisecond the session has expired. */
  readonly expiry: Deadline
  readonly slots: Map<number, Slot>
  /** Held and waiting, in the order of their ids. */
  readonly claims: Set<Claim>
}

/** The newest request of a slot, and what it came to. `queued` is replaced when the claim is decided. */
export interface Slot {
  seq: number
  answer: Verdict
}

export class Sessions {
  /** The id the next session gets. */
  nextId: SessionId = 1

  readonly #agenda: Agenda
  readonly #byId = new Map<SessionId, Session>()
  readonly #byKey = new Map<number, Session>()

  constructor(agenda: Agenda) {
    this.#agenda = agenda
  }

  get size(): number {
    return this.#byId.size
  }

  get(id: SessionId): Session | undefined {
    return this.#byId.get(id)
  }

  withKey(key: number): Session | undefined {
    return this.#byKey.get(key)
  }

  values(): IterableIterator<Session> {
    return this.#byId.values()
  }

  /**
   * Repeated with the same key while the session lives, it renews the session and answers with it as it
   * was opened: id and TTL of the first time count.
   */
  open(command: OpenSession, at: number): Verdict {
    const known = this.#byKey.get(command.key)
    if (known === undefined && this.size >= LIMITS.sessionsMax)
      return limitReached('sessions', LIMITS.sessionsMax)
    const session = known ?? this.#create(command, at)
    this.renew(session, at)
    return { kind: 'opened', session: session.id, ttlMs: session.ttlMs }
  }

  renew(session: Session, at: number): void {
    this.#agenda.move(session.expiry, at + session.ttlMs)
  }

  remove(session: Session): void {
    this.#agenda.remove(session.expiry)
    this.#byId.delete(session.id)
    this.#byKey.delete(session.key)
  }

  /** Why nobody may speak as this session with this key; undefined if they may. */
  checkSpeaker(id: SessionId, key: number): Refused | undefined {
    const session = this.#byId.get(id)
    if (session !== undefined) return session.key === key ? undefined : SESSION_FOREIGN
    return id < this.nextId ? SESSION_EXPIRED : SESSION_UNKNOWN
  }

  #create({ key, ttlMs, label }: OpenSession, at: number): Session {
    const id = this.nextId++
    const expiry = this.#agenda.add('session', id, at + ttlMs)
    const session: Session = {
      id,
      key,
      ttlMs,
      label,
      openedAt: at,
      expiry,
      slots: new Map(),
      claims: new Set(),
    }
    this.#byId.set(id, session)
    this.#byKey.set(key, session)
    return session
  }
}
