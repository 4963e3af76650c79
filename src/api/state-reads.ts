import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { CALLER_LEFT, noLeader, type Refusal } from './refusal.js'

const PATIENCE_MS = 5_000
const PATIENCE_SHARE = 0.8
/** How soon to ask again when no leader could confirm a read. */
const RETRY_MS = 50

interface Question {
  readonly connection: unknown
  readonly isOver: boolean
  answer(): void
}

/**
 * Reads of this node's state: those of one turn of the event loop are confirmed together, and answered in slices, one of each
 * connection after the other.
 */
export class StateReads {
  readonly #door: Door
  #asked: Question[] = []

  constructor(door: Door) {
    this.#door = door
  }

  /**
   * Resolves with what `make` returns, called when this node's state is at least as new as the question. Rejects with what it
   * throws, or with a `Refusal`.
   */
  read<T>(caller: Caller, make: () => T): Promise<T> {
    const patienceMs = Math.max(0, Math.min(PATIENCE_MS, caller.remainingMs * PATIENCE_SHARE))
    return new Promise((resolve, reject) => {
      let isOver = false
      const end = (): void => {
        isOver = true
        patience.cancel()
        leave()
      }
      const fail = (refusal: Refusal): void => {
        end()
        reject(refusal)
      }
      const leave = this.#door.enter(fail)
      const patience = this.#door.parts.clock.after(patienceMs, () => fail(noLeader(patienceMs)))
      caller.onGone(() => fail(CALLER_LEFT))
      this.#ask({
        connection: caller.connection,
        get isOver() {
          return isOver
        },
        answer: () => {
          end()
          try {
            resolve(make())
          } catch (error) {
            reject(error)
          }
        },
      })
    })
  }

  /** Resolves when this node's state is at least as new as the question. Rejects with a `Refusal`. */
  confirm(caller: Caller): Promise<void> {
    return this.read(caller, () => undefined)
  }

  #ask(question: Question): void {
    this.#asked.push(question)
    if (this.#asked.length === 1) this.#door.parts.clock.soon(() => this.#confirm())
  }

  #confirm(): void {
    const { clock, replica } = this.#door.parts
    const asked = this.#asked
    this.#asked = []
    replica.confirmRead((isConfirmed) => {
      if (isConfirmed) for (const question of asked) this.#answerSoon(question)
      else clock.after(RETRY_MS, () => this.#askAgain(asked))
    })
  }

  #answerSoon(question: Question): void {
    this.#door.parts.workQueue.add(question.connection, () => {
      if (!question.isOver) question.answer()
      return false
    })
  }

  #askAgain(asked: readonly Question[]): void {
    for (const question of asked) if (!question.isOver) this.#ask(question)
  }
}
