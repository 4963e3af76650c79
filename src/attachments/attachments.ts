import type { ClaimId, MachineEvent, Outcome, SessionId } from '../machine/command.js'

export type OutcomeListener = (outcome: Outcome) => void
export type SessionListener = (reason: 'expired' | 'closed') => void

/**
 * Who is attached to this node and waits for what the log will bring: the outcome of a claim, the end of a session.
 * Every node applies the same log, so each serves its own clients from its own applied state.
 *
 * Listening is synchronous with applying: who learns of a claim by its verdict and listens at once misses nothing.
 */
export class Attachments {
  readonly #claims = new Listeners<ClaimId, Outcome>()
  readonly #sessions = new Listeners<SessionId, 'expired' | 'closed'>()

  /** The claim was queued; `listener` is called once, when it is decided. Returns how to stop listening. */
  onDecided(claim: ClaimId, listener: OutcomeListener): () => void {
    return this.#claims.add(claim, listener)
  }

  /** `listener` is called once, when the session is over. Returns how to stop listening. */
  onSessionEnded(session: SessionId, listener: SessionListener): () => void {
    return this.#sessions.add(session, listener)
  }

  onEvents(events: readonly MachineEvent[]): void {
    for (const event of events) {
      if (event.kind === 'decided') this.#claims.call(event.claim, event.outcome)
      else if (event.kind === 'sessionEnded') this.#sessions.call(event.session, event.reason)
    }
  }
}

/** One-shot listeners by key. */
class Listeners<Key, Value> {
  readonly #byKey = new Map<Key, Set<(value: Value) => void>>()

  add(key: Key, listener: (value: Value) => void): () => void {
    const listeners = this.#byKey.get(key) ?? new Set()
    this.#byKey.set(key, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byKey.get(key) === listeners) this.#byKey.delete(key)
    }
  }

  call(key: Key, value: Value): void {
    const listeners = this.#byKey.get(key)
    if (listeners === undefined) return
    this.#byKey.delete(key)
    for (const listener of listeners) listener(value)
  }
}
