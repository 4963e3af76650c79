/** On which disk each node is. A disk that comes back empty or as another's must not vote as the member it was (fault 17). */
import type { Identify, Verdict } from '../language/command.js'
import { LIMITS } from '../language/limits.js'
import { limitReached, refuse } from '../language/refusals.js'
import type { Ledger, Page } from '../records/ledger.js'
import type { Bookkeeping } from '../records/records.js'

const IDENTIFIED: Verdict = { kind: 'identified' }

/** One record, as with the members. */
export class Disks implements Bookkeeping {
  readonly kind = 'disks'
  isRecorded = false
  isGone = false
  page: Page | undefined = undefined
  /** Counts the changes. */
  revision = 0
  readonly #ledger: Ledger
  readonly #byNode = new Map<number, number>()

  constructor(ledger: Ledger) {
    this.#ledger = ledger
  }

  get all(): ReadonlyMap<number, number> {
    return this.#byNode
  }

  /** The first word counts. */
  identify({ node, disk }: Identify): Verdict {
    const known = this.#byNode.get(node)
    if (known === disk) return IDENTIFIED
    if (known !== undefined) return refuse('INVALID', `node ${node} was here before, on another disk`)
    if (this.#byNode.size >= LIMITS.membersMax) return limitReached('members', LIMITS.membersMax)
    this.#change(() => this.#byNode.set(node, disk))
    return IDENTIFIED
  }

  forget(node: number): void {
    if (this.#byNode.has(node)) this.#change(() => this.#byNode.delete(node))
  }

  /** As they were recorded. */
  restore(disks: readonly (readonly [node: number, disk: number])[]): void {
    for (const [node, disk] of disks) this.#byNode.set(node, disk)
    this.isRecorded = true
  }

  #change(change: () => void): void {
    this.#ledger.touch(this)
    this.revision++
    change()
  }
}
