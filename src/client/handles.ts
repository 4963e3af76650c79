import { type Notice, Notice_Kind } from '../protocol/lockkeeper.js'
import { type LockkeeperError, LockLostError } from './errors.js'
import type { HeldClaim } from './held.js'
import type { Standing } from './lease.js'

/** Losses that are remembered: as many as there may be answers that are late. */
const LOSSES_MAX = 1_024

/** All that one session holds, and who is to be told of it. Several handles may share a token. */
export class Handles {
  readonly #live = new Set<HeldClaim>()
  /** What was said of each token that was taken by force: an answer that is sent again may grant what is lost since. */
  readonly #losses = new Map<number, string>()

  /**
   * Takes in what was granted. Undefined if it is held; otherwise how it was lost before anybody could know of it.
   *
   * @param replaces the token whose place it has taken; 0: of none
   */
  add(held: HeldClaim, replaces: number): LockLostError | undefined {
    if (replaces > 0) this.#endToken(replaces, (base) => base.replaced())
    const loss = this.#lossOf(held)
    if (loss === undefined) this.#live.add(held)
    return loss
  }

  delete(held: HeldClaim): void {
    this.#live.delete(held)
  }

  changed(standing: Standing): void {
    for (const held of this.#live) held.changed(standing)
  }

  noticed(notices: readonly Notice[]): void {
    for (const { kind, token, note } of notices) {
      if (kind === Notice_Kind.ASKED) this.#releaseRequested(token, note)
      if (kind !== Notice_Kind.LOST) continue
      this.#remember(token, note)
      this.#endToken(token, (held) => held.end('lost', this.#lossOf(held)))
    }
  }

  /** The session is over. */
  endAll(state: 'lost' | 'released', error: (held: HeldClaim) => LockkeeperError): void {
    const all = [...this.#live]
    this.#live.clear()
    for (const held of all) held.end(state, error(held))
  }

  #endToken(token: number, end: (held: HeldClaim) => void): void {
    for (const held of this.#live) {
      if (held.token !== token) continue
      this.#live.delete(held)
      end(held)
    }
  }

  #releaseRequested(token: number, note: string): void {
    for (const held of this.#live) if (held.token === token) held.releaseRequested(note)
  }

  #lossOf({ names, token }: HeldClaim): LockLostError | undefined {
    const note = this.#losses.get(token)
    if (note === undefined) return undefined
    const reason = note === '' ? 'it was taken by force' : `it was taken by force: ${note}`
    return new LockLostError(names, token, reason, note)
  }

  #remember(token: number, note: string): void {
    this.#losses.set(token, note)
    const [oldest] = this.#losses.keys()
    if (this.#losses.size > LOSSES_MAX) this.#losses.delete(oldest!)
  }
}
