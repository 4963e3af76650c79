import { fileURLToPath } from 'node:url'
import { type Ended, Program } from './program.js'

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** `lockkeeper` with these arguments, as a real process. */
export class Cli extends Program {
  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    super(process.execPath, ['--enable-source-maps', MAIN, ...args], { env })
  }
}

/** Runs it to its end. */
export async function runCli(args: readonly string[]): Promise<Ended> {
  await using cli = new Cli(args)
  return await cli.ended()
}
