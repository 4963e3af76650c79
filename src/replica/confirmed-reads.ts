import type { LogIndex, ReadVerdict } from '../../raft/index.js'

export type ReadAnswer = (confirmed: boolean) => void

/** Reads on their way: first a leader confirms an index, then the machine reaches it (thesis §6.4). */
export class ConfirmedReads {
  #newestId = 0
  readonly #asked = new Map<number, ReadAnswer>()
  #confirmed: { readonly index: LogIndex; readonly answer: ReadAnswer }[] = []

  /** Returns the id to ask Raft with. */
  add(answer: ReadAnswer): number {
    this.#asked.set(++this.#newestId, answer)
    return this.#newestId
  }

  resolve({ id, index }: ReadVerdict): void {
    const answer = this.#asked.get(id)
    if (answer === undefined) return
    this.#asked.delete(id)
    if (index === undefined) answer(false)
    else this.#confirmed.push({ index, answer })
  }

  /** The machine has applied everything up to here. */
  applied(appliedIndex: LogIndex): void {
    if (this.#confirmed.length === 0) return
    const ready = this.#confirmed.filter(({ index }) => index <= appliedIndex)
    if (ready.length === 0) return
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex)
    for (const { answer } of ready) answer(true)
  }

  refuseAll(): void {
    const answers = [...this.#asked.values(), ...this.#confirmed.map(({ answer }) => answer)]
    this.#asked.clear()
    this.#confirmed = []
    for (const answer of answers) answer(false)
  }
}
