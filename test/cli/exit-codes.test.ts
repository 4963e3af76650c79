import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { devConfig } from '../../src/cli/dev.js'
import { CliError, EXIT, exitCodeOfChild } from '../../src/cli/exit-codes.js'
import { exitCodeOf } from '../../src/cli/failures.js'
import { cannotStart } from '../../src/cli/run-node.js'
import { LockkeeperError } from '../../src/client/index.js'
import { ConfigError } from '../../src/platform/config.js'

describe('the exit code', () => {
  it('of the command is passed on', () => {
    assert.deepEqual(
      [0, 1, 75, 255].map((code) => exitCodeOfChild(code, null)),
      [0, 1, 75, 255],
    )
  })

  it('of a command that a signal ended is 128 + n, as in a shell', () => {
    assert.deepEqual([exitCodeOfChild(null, 'SIGTERM'), exitCodeOfChild(null, 'SIGKILL')], [143, 137])
  })

  it('tells not granted, lost, unavailable and misused apart', () => {
    const code = (name: LockkeeperError['code']) => exitCodeOf(new LockkeeperError(name, ''))
    assert.equal(code('TIMEOUT'), 75)
    assert.equal(code('SESSION_LOST'), 75)
    assert.equal(code('LOCK_LOST'), 74)
    assert.equal(code('NOT_CONNECTED'), 69)
    assert.equal(code('NO_LEADER'), 69)
    assert.equal(code('LIMIT'), 64)
    assert.equal(code('INTERNAL'), 70)
  })

  it('of a bad configuration is 78, of anything unforeseen 70', () => {
    assert.equal(exitCodeOf(new ConfigError('a.yaml', [])), EXIT.config)
    assert.equal(exitCodeOf(new CliError(EXIT.notFound, '')), 127)
    assert.equal(exitCodeOf(new TypeError('x is not a function')), EXIT.fatal)
  })
})

describe('a node that can not start', () => {
  const why = (error: unknown) => cannotStart(devConfig(7101, 'data'), error)

  it('says what to do about a port in use, even if gRPC words the error', () => {
    const error = new Error(
      'No address added out of total 1 resolved errors: [listen EADDRINUSE: 127.0.0.1:7101]',
    )
    assert.match(why(error).message, /^Node 1 can't start: .*Another process listens on that port/)
    assert.equal(why(error).exitCode, EXIT.fatal)
  })

  it('finds the reason down the chain of causes', () => {
    const cause = Object.assign(new Error('IO error: lock data/LOCK'), { code: 'LEVEL_LOCKED' })
    assert.match(
      why(new Error('Database failed to open', { cause })).message,
      /Another process uses this data directory/,
    )
  })
})
