import type { Command } from '../machine/command.js'
import type { Proposals } from '../proposals/proposals.js'

/** What this node says to the cluster on its own account, and not again while the last word is under way. */
export class Announcement {
  readonly #proposals: Proposals
  #isUnderWay = false

  constructor(proposals: Proposals) {
    this.#proposals = proposals
  }

  make(command: Command): void {
    if (this.#isUnderWay) return
    const settle = (): void => {
      this.#isUnderWay = false
    }
    this.#isUnderWay = this.#proposals.submit(command, { settle, gone: false })
  }
}
