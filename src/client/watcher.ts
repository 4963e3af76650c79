import { AnySignal } from './any-signal.js'
import { backoffMs } from './backoff.js'
import { ConnectError, KeeperClosedError, UnreachableError } from './errors.js'
import { Failures } from './failures.js'
import { pause } from './pause.js'
import type { ReaderPorts } from './ports.js'
import type { Route } from './route.js'
import { type Sighting, sightingsIn, type WatchOptions } from './watch.js'

const RETRY_FIRST_MS = 20
const RETRY_MAX_MS = 500
/**
 * How soon a watch goes where the session went, which leaves nodes that are silent or have no leader. Without a session nobody
 * says that the node is not cut off, or no member any more: it asks anew, by revision, which costs a confirmed read. A node
 * that can be relied on answers at once.
 */
const FOLLOW_MS = 5_000

/** Watches names: at the node the session is attached to, by preference, and on to another when that one fails. */
export class Watcher {
  readonly #ports: ReaderPorts
  readonly #route: Route
  readonly #patienceMs: number
  readonly #preferred: () => string | undefined
  readonly #closing = new AbortController()

  /** @param patienceMs how long to try in vain */
  constructor(ports: ReaderPorts, route: Route, patienceMs: number, preferred: () => string | undefined) {
    this.#ports = ports
    this.#route = route
    this.#patienceMs = patienceMs
    this.#preferred = preferred
  }

  close(): void {
    this.#closing.abort(new KeeperClosedError())
  }

  /**
   * Ends only by an error: a refusal that is final; a `ConnectError` when no node could be used for long enough, after
   * which one can go on by the last revision seen; the reason of the signal; a `KeeperClosedError`.
   */
  async *watch(name: string, options: WatchOptions): AsyncGenerator<Sighting, void, undefined> {
    const { clock, random } = this.#ports
    using ending = new AnySignal(this.#closing.signal, options.signal)
    const over = ending.signal
    const failures = new Failures()
    let revision = options.afterRevision
    for (;;) {
      over.throwIfAborted()
      const address = failures.count === 0 ? this.#first() : this.#route.next(failures.last)
      try {
        for await (const part of this.#parts(address, name, revision, over)) {
          failures.clear()
          yield* sightingsIn(part, revision !== undefined)
          revision = part.revision
        }
        over.throwIfAborted()
      } catch (error) {
        over.throwIfAborted()
        failures.add(address, error, clock.nowMs())
      }
      if (clock.nowMs() - failures.sinceMs >= this.#patienceMs)
        throw new ConnectError(this.#patienceMs, failures.tried)
      if (failures.count > 0)
        await pause(clock, backoffMs(failures.count - 1, RETRY_FIRST_MS, RETRY_MAX_MS, random), over)
    }
  }

  #first(): string {
    return this.#preferred() ?? this.#route.next()
  }

  /** From one node. Ends in peace if it has answered, but the session is not there, and nothing was heard for long. */
  async *#parts(address: string, name: string, afterRevision: number | undefined, over: AbortSignal) {
    const { clock, connector } = this.#ports
    let hasAnswered = false
    const leaving = new AbortController()
    const leave = (): void => leaving.abort()
    const follow = (): void => {
      if (this.#preferred() === address) timer = clock.after(FOLLOW_MS, follow)
      else leave()
    }
    let timer = clock.after(FOLLOW_MS, follow)
    over.addEventListener('abort', leave)
    try {
      this.#route.asking(address)
      for await (const part of connector.watch(address, { name, afterRevision }, leaving.signal)) {
        timer.cancel()
        hasAnswered = true
        yield part
        timer = clock.after(FOLLOW_MS, follow)
      }
      throw new UnreachableError('the node ended the watch')
    } catch (error) {
      if (!leaving.signal.aborted) throw error
      if (!hasAnswered) throw new UnreachableError('the node did not answer')
    } finally {
      timer.cancel()
      over.removeEventListener('abort', leave)
    }
  }
}
