#!/usr/bin/env node
import { CommanderError } from 'commander'
import { EXIT } from './exit-codes.js'
import { complain, exitCodeOf, messageOf } from './failures.js'
import { createProgram } from './program.js'

// `lockkeeper locks | head` has seen enough.
process.stdout.on('error', () => process.exit(0))

let exitCode = 0
try {
  await createProgram((code) => {
    exitCode = code
  }).parseAsync()
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
