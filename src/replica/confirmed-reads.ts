import type { LogIndex, ReadVerdict } from '../../raft/index.js'
import type { WorkQueue } from '../platform/work-queue.js'

export type ReadAnswer = (confirmed: boolean) => void

/**
 * Reads on their way: first a leader confirms an index, then the machine reaches it (thesis §6.4). One event may decide
 * thousands of them, so they are answered at the pace of a work queue.
 */
export class ConfirmedReads {
  readonly #answers: WorkQueue
  #newestId = 0
  readonly #asked = new Map<number, ReadAnswer>()
  /** In the order in which they were confirmed, nearly that of their indexes. */
  #confirmed: { readonly index: LogIndex; readonly answer: ReadAnswer }[] = []

  constructor(answers: WorkQueue) {
    this.#answers = answers
  }

  /** Returns the id to ask Raft with. */
  add(answer: ReadAnswer): number {
    this.#asked.set(++this.#newestId, answer)
    return this.#newestId
  }

  resolve(verdicts: readonly ReadVerdict[]): void {
    const refused: ReadAnswer[] = []
    for (const { id, index } of verdicts) {
      const answer = this.#asked.get(id)
      if (answer === undefined) continue
      this.#asked.delete(id)
      if (index === undefined) refused.push(answer)
      else this.#confirmed.push({ index, answer })
    }
    if (refused.length > 0) this.#answers.addEach(this, refused, (answer) => answer(false))
  }

  /** The machine has applied everything up to here. */
  applied(appliedIndex: LogIndex): void {
    let count = 0
    while (count < this.#confirmed.length && this.#confirmed[count]!.index <= appliedIndex) count++
    if (count === 0) return
    this.#answers.addEach(this, this.#confirmed.splice(0, count), ({ answer }) => answer(true))
  }

  /** Also those that no leader has confirmed yet, at once. */
  refuseAll(): void {
    const answers = [...this.#asked.values(), ...this.#confirmed.map(({ answer }) => answer)]
    this.#asked.clear()
    this.#confirmed = []
    for (const answer of answers) answer(false)
  }
}
