/** From one line of a kind to the next. */
const EVERY_MS = 60_000
/** Kinds that are told apart. A peer that varies its reasons shares one kind with all others that do. */
const KINDS_MAX = 64
const OTHERS = ''

interface Kind {
  readonly sinceMs: number
  repeated: number
}

/**
 * What somebody else can cause as often as they like is written down once for each kind, and from then on once a minute, with how
 * often it has happened since: a removed node that still runs asks to be let in every second, at every member.
 */
export class RepeatedWarnings {
  readonly #nowMs: () => number
  readonly #kinds = new Map<string, Kind>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** How many of this kind were passed over since the last that was written; undefined if this one is passed over as well. */
  next(kind: string): number | undefined {
    const nowMs = this.#nowMs()
    const name = this.#isKept(kind, nowMs) ? kind : OTHERS
    const last = this.#kinds.get(name)
    if (last !== undefined && nowMs - last.sinceMs < EVERY_MS) {
      last.repeated++
      return undefined
    }
    this.#kinds.set(name, { sinceMs: nowMs, repeated: 0 })
    return last?.repeated ?? 0
  }

  #isKept(kind: string, nowMs: number): boolean {
    if (this.#kinds.has(kind) || this.#kinds.size < KINDS_MAX) return true
    for (const [name, { sinceMs }] of this.#kinds) if (nowMs - sinceMs >= EVERY_MS) this.#kinds.delete(name)
    return this.#kinds.size < KINDS_MAX
  }
}
