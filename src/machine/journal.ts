import type { Change, Reason } from './changes.js'
import type { MachineEvent } from './language/command.js'
import type { Claim } from './queues.js'

/** What comes to pass in one batch, in order. */
export class Journal {
  /** Of the newest change. */
  revision = 0
  #at = 0
  #isWatched = false
  #events: MachineEvent[] = []
  #changes: Change[] = []

  get events(): readonly MachineEvent[] {
    return this.#events
  }

  get changes(): readonly Change[] {
    return this.#changes
  }

  open(at: number): void {
    this.#at = at
    this.#events = []
    this.#changes = []
  }

  /** Changes are counted from the feature level on that knows them, on all nodes alike. */
  count(): void {
    this.#isWatched = true
  }

  event(event: MachineEvent): void {
    this.#events.push(event)
  }

  /** One for each name of the claim. */
  change(kind: Change['kind'], claim: Claim, reason: Reason = '', tookMs = 0): void {
    if (!this.#isWatched) return
    const { session, token, mode, data } = claim
    for (const name of claim.names) {
      const revision = ++this.revision
      const at = this.#at
      this.#changes.push({ revision, kind, name, at, claim, session, token, mode, data, reason, tookMs })
    }
  }
}
