/** One thing that is wrong in a file. */
export interface Problem {
  /** From 1; undefined if the file as a whole is meant. */
  readonly line: number | undefined
  /** As it is written in messages: `nodes[1].peer`; empty for the file as a whole. */
  readonly key: string
  /** What is the matter, and what to do about it: "is missing; write …". */
  readonly text: string
}

/** The configuration can't be used. The message has a line for each problem: file and line, key, problem and remedy. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  constructor(
    readonly file: string,
    readonly problems: readonly Problem[],
  ) {
    super(problems.map((problem) => sentence(file, problem)).join('\n'))
  }
}

function sentence(file: string, { line, key, text }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}`
  return `${place}: ${key === '' ? '' : `${key} `}${text}.`
}
