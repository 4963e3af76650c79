#!/usr/bin/env node
import { CommanderError } from 'commander'
import { EXIT } from './exit-codes.js'
import { complain, exitCodeOf, messageOf } from './failures.js'
import { createProgram } from './program.js'

// `lockkeeper locks | head` has seen enough.
process.stdout.on('error', () => process.exit(0))

let exitCode = 0
try {
  const args = process.argv.slice(2)
  const program = createProgram((code) => {
    exitCode = code
  }, args)
  await program.parseAsync(args, { from: 'user' })
} catch (error) {
  exitCode = explain(error)
}
process.exit(exitCode)

/** One sentence and its remedy, no stack; commander has spoken already. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage
  complain(messageOf(error))
  return exitCodeOf(error)
}
