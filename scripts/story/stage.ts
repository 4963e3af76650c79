import { setTimeout as sleep } from 'node:timers/promises'
import { styleText } from 'node:util'
import { formatDuration } from '../../src/cli/durations.js'
import { messageOf } from '../../src/cli/failures.js'

const PATIENCE_MS = 15_000
const POLL_MS = 20
const WIDTH_MAX = 100
const CLOCK_WIDTH = 7

/** Where a story is told: each line with the time since it began, and each step with a limit to the time it may take. */
export class Stage {
  readonly #startMs = performance.now()
  readonly #interrupted: AbortSignal

  /** After `interrupted`, every step rejects with its reason. */
  constructor(interrupted: AbortSignal) {
    this.#interrupted = interrupted
  }

  get elapsedMs(): number {
    return performance.now() - this.#startMs
  }

  scene(title: string): void {
    print(`\n${style('bold', title)}\n`)
  }

  /** What has come to pass: tell nothing that has not been checked. */
  tell(sentence: string): void {
    const clock = formatDuration(this.elapsedMs).padStart(CLOCK_WIDTH)
    const [first, ...others] = wrap(sentence, width() - CLOCK_WIDTH - 2)
    print(`${style('dim', clock)}  ${first}`)
    for (const line of others) print(`${INDENT}${line}`)
  }

  /** A command, and what it printed. */
  show(command: string, output: string): void {
    print(`\n${INDENT}${style('cyan', `$ ${command}`)}`)
    for (const line of output.trimEnd().split('\n')) print(`${INDENT}${line}`.trimEnd())
    print('')
  }

  /** Resolves as `action` does. Rejects, saying what did not come to pass, if that rejects or takes too long. */
  async within<T>(what: string, action: (over: AbortSignal) => Promise<T>): Promise<T> {
    this.#interrupted.throwIfAborted()
    const limit = new AbortController()
    const late = setTimeout(() => limit.abort(`not within ${formatDuration(PATIENCE_MS)}`), PATIENCE_MS)
    const interrupt = (): void => limit.abort()
    this.#interrupted.addEventListener('abort', interrupt)
    const over = new Promise<never>((_, reject) => {
      limit.signal.addEventListener('abort', () => reject(limit.signal.reason))
    })
    try {
      return await Promise.race([action(limit.signal), over])
    } catch (error) {
      this.#interrupted.throwIfAborted()
      throw error instanceof PlotError ? error : new PlotError(what, messageOf(error))
    } finally {
      clearTimeout(late)
      this.#interrupted.removeEventListener('abort', interrupt)
    }
  }

  /** Asks again and again until the answer is not undefined. */
  until<T>(what: string, probe: (over: AbortSignal) => Promise<T | undefined>): Promise<T> {
    return this.within(what, async (over) => {
      for (;;) {
        const answer = await probe(over)
        if (answer !== undefined) return answer
        await sleep(POLL_MS, undefined, { signal: over })
      }
    })
  }
}

/** The story does not go as it should. */
export class PlotError extends Error {
  override readonly name = 'PlotError'

  /** @param what should have come to pass, as a main clause without its full stop */
  constructor(what: string, why: string) {
    super(`This did not come to pass: ${what}. ${why}`)
  }
}

/** @throws PlotError with the figures, unless it is so */
export function confirm(isSo: boolean, what: string, seen: unknown): void {
  if (!isSo) throw new PlotError(what, `Seen: ${JSON.stringify(seen)}`)
}

/** "1, 2 and 3" */
export function list(items: readonly unknown[]): string {
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

export function style(format: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY && process.stdout.hasColors() ? styleText(format, text) : text
}

const INDENT = ' '.repeat(CLOCK_WIDTH + 2)

function width(): number {
  return Math.min(WIDTH_MAX, process.stdout.columns || WIDTH_MAX)
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = ['']
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
    if (longer.length <= columns) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}
