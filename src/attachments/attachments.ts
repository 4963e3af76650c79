import type { Change } from '../machine/changes.js'
import type { ClaimId, MachineEvent, Notice, Outcome, SessionId } from '../machine/language/command.js'
import { History } from './history.js'
import { Listeners } from './listeners.js'
import { UsageBook } from './usage.js'

export type OutcomeListener = (outcome: Outcome) => void
export type SessionListener = (reason: 'expired' | 'closed') => void
export type NoticeListener = (notice: Notice) => void

/**
 * Who is attached to this node and waits for what the log will bring: the outcome of a claim, the end of a session, what
 * a session must know of its claims, the changes of a name. Every node applies the same log, so each serves its own
 * clients from its own applied state.
 *
 * Listening is synchronous with applying: who learns of a claim by its verdict and listens at once misses nothing.
 */
export class Attachments {
  /** The changes of names. */
  readonly history = new History()
  /** How names are used. */
  readonly usage = new UsageBook()
  readonly #claims = new Listeners<ClaimId, Outcome>()
  readonly #sessions = new Listeners<SessionId, 'expired' | 'closed'>()
  readonly #notices = new Listeners<SessionId, Notice>()

  /** The claim was queued; `listener` is called once, when it is decided. Returns how to stop listening. */
  onDecided(claim: ClaimId, listener: OutcomeListener): () => void {
    return this.#claims.add(claim, listener)
  }

  /** `listener` is called once, when the session is over. Returns how to stop listening. */
  onSessionEnded(session: SessionId, listener: SessionListener): () => void {
    return this.#sessions.add(session, listener)
  }

  /** `listener` is called for each notice to the session, from now on. Returns how to stop listening. */
  onNoticed(session: SessionId, listener: NoticeListener): () => void {
    return this.#notices.add(session, listener)
  }

  onChanges(changes: readonly Change[]): void {
    this.history.onChanges(changes)
    this.usage.onChanges(changes)
  }

  onEvents(events: readonly MachineEvent[]): void {
    for (const event of events) {
      if (event.kind === 'decided') this.#claims.tellLast(event.claim, event.outcome)
      else if (event.kind === 'noticed') this.#notices.tell(event.session, event.notice)
      else this.#sessions.tellLast(event.session, event.reason)
    }
  }
}
