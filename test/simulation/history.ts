import { createHash, type Hash } from 'node:crypto'
import type { World } from './world.js'

/** A promise that was not kept, with the figures. */
export interface Breach {
  readonly promise: string
  readonly facts: string
  readonly atMs: number
}

const LINES_PER_UPDATE = 256

/** Everything that happened, as lines: hashed, so that two runs can be compared, and printed on demand. */
export class History {
  readonly #world: World
  readonly #print: ((line: string) => void) | undefined
  readonly #hash: Hash = createHash('sha256')
  #lines: string[] = []
  #breach: Breach | undefined

  constructor(world: World, print?: (line: string) => void) {
    this.#world = world
    this.#print = print
  }

  /** The first promise that was broken; what comes after may only follow from it. */
  get breach(): Breach | undefined {
    return this.#breach
  }

  note(who: string, what: string): void {
    const line = `${this.#world.nowMs.toFixed(3)} ${who} ${what}`
    this.#print?.(line)
    if (this.#lines.push(line) >= LINES_PER_UPDATE) this.#flush()
  }

  /** The simulation ends at the first breach. `facts` go into its report. */
  broken(promise: string, facts: Record<string, unknown>): void {
    const text = Object.entries(facts)
      .map(([key, value]) => `${key}: ${describe(value)}`)
      .join(', ')
    this.note('BROKEN', `${promise} (${text})`)
    this.#breach ??= { promise, facts: text, atMs: this.#world.nowMs }
  }

  /** Ends the history. */
  digest(): string {
    this.#flush()
    return this.#hash.digest('hex').slice(0, 16)
  }

  #flush(): void {
    this.#hash.update(this.#lines.join('\n'))
    this.#lines = []
  }
}

function describe(value: unknown): string {
  if (value instanceof Error) return value.stack ?? value.message
  return JSON.stringify(value) ?? String(value)
}
