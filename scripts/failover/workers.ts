import type { Keeper } from '../../src/client/index.js'

/** Workers of each client that take a name of their own, and of those that take turns at a name with all clients. */
const OWN_NAMES = 2
const CONTENDED_NAMES = 2

/** An acquire or a release of a name that nobody else wants. */
interface Request {
  readonly askedMs: number
  readonly answeredMs: number
}

/** What clients do all the time: each worker takes and releases a name, again and again, as fast as it is answered. */
export class Workers {
  readonly #keepers: readonly Keeper[]
  readonly #requests: Request[] = []
  readonly #work: Promise<unknown>
  /** What was refused or lost. A worker to whom that happens does no more. */
  readonly failures: string[] = []
  #isOver = false

  constructor(keepers: readonly Keeper[]) {
    this.#keepers = keepers
    const each = (count: number): number[] => Array.from({ length: count }, (_, k) => k)
    this.#work = Promise.all(
      keepers.flatMap((keeper, k) => [
        ...each(OWN_NAMES).map((name) => this.#toil(keeper, `own/${k}/${name}`, true)),
        ...each(CONTENDED_NAMES).map((name) => this.#toil(keeper, `contended/${name}`, false)),
      ]),
    )
  }

  /**
   * Asks at each client, now, for a name that is free and that was never asked for. Resolves with the ms that each grant
   * took, the soonest first. Gives up with the reason of `signal`.
   */
  async probe(name: string, signal: AbortSignal): Promise<number[]> {
    const askedMs = performance.now()
    const took = await Promise.all(
      this.#keepers.map(async (keeper, k) => {
        const lock = await keeper.lock(`probe/${name}/${k}`, { signal })
        const tookMs = performance.now() - askedMs
        if ((await lock.release()) === 'lost') this.failures.push(`the probe ${name} was lost`)
        return tookMs
      }),
    )
    return took.sort((a, b) => a - b)
  }

  /** In ascending order: how long those requests took, in ms, that were under way at some time between these moments. */
  tookMs(fromMs: number, untilMs: number): number[] {
    return this.#requests
      .filter(({ askedMs, answeredMs }) => askedMs < untilMs && answeredMs >= fromMs)
      .map(({ askedMs, answeredMs }) => answeredMs - askedMs)
      .sort((a, b) => a - b)
  }

  /** Resolves when each has come to the end of what it does, and the clients have closed their sessions. */
  async stop(): Promise<void> {
    this.#isOver = true
    await this.#work
    await Promise.all(this.#keepers.map((keeper) => keeper.close()))
  }

  async #toil(keeper: Keeper, name: string, isOwn: boolean): Promise<void> {
    try {
      while (!this.#isOver) {
        const lock = await this.#timed(isOwn, () => keeper.lock(name))
        const outcome = await this.#timed(isOwn, () => lock.release())
        if (outcome === 'lost') throw new Error('the lock was lost')
      }
    } catch (error) {
      this.failures.push(`${name}: ${String(error)}`)
    }
  }

  async #timed<T>(counts: boolean, ask: () => Promise<T>): Promise<T> {
    const askedMs = performance.now()
    const answer = await ask()
    if (counts) this.#requests.push({ askedMs, answeredMs: performance.now() })
    return answer
  }
}
