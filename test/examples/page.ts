import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Ended, Program } from '../cluster/program.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const BLOCK = /^```console\n([\s\S]*?)^```$/gm
const PROMPT = '$ '

/** A command of docs/which-lock.md, and what the page says that it prints. */
export interface Shown {
  readonly command: string
  readonly lines: readonly string[]
}

/** All that is shown on the page, in order. */
export function shown(): Shown[] {
  const page = readFileSync(join(ROOT, 'docs/which-lock.md'), 'utf8')
  return [...page.matchAll(BLOCK)].flatMap(([, block]) => {
    const commands: { command: string; lines: string[] }[] = []
    for (const line of block!.trimEnd().split('\n')) {
      if (line.startsWith(PROMPT)) commands.push({ command: line.slice(PROMPT.length), lines: [] })
      else commands.at(-1)!.lines.push(line)
    }
    return commands
  })
}

/** An example as a real process, started by the very command of the page and held to what is shown below it. */
export class Example extends Program {
  readonly #lines: readonly RegExp[]

  /** @param insteadOf what the page can't know, by what it shows in its place: addresses, directories */
  constructor(command: string, env: NodeJS.ProcessEnv, insteadOf: Readonly<Record<string, string>> = {}) {
    const found = shown().find((it) => it.command === command)
    assert.ok(found !== undefined, `docs/which-lock.md does not show: ${command}`)
    const [program, ...args] = command.split(' ').map((word) => insteadOf[word] ?? word)
    super(program === 'node' ? process.execPath : program!, args, { env, cwd: ROOT })
    this.#lines = found.lines.map(toPattern)
  }

  /** Resolves when it has printed the lines of the page, in this order; numbers may be others. */
  async printsAsShown(): Promise<void> {
    let from = 0
    for (const pattern of this.#lines) {
      const line = await this.line(pattern, from)
      from = this.lines.indexOf(line) + 1
    }
  }

  /** Resolves when it has ended well, and printed the lines of the page and nothing else. */
  async endsAsShown(withinMs?: number): Promise<Ended> {
    const ended = await this.ended(withinMs)
    assert.deepEqual([ended.code, ended.stderr], [0, ''])
    const printed = ended.stdout.trimEnd().split('\n')
    assert.equal(printed.length, this.#lines.length, ended.stdout)
    for (const [k, line] of printed.entries()) assert.match(line, this.#lines[k]!)
    return ended
  }
}

function toPattern(line: string): RegExp {
  const literal = line.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${literal.replace(/\d+/g, '\\d+')}$`)
}
