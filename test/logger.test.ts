import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogger } from '../src/platform/logger.js'

const MINUTE_MS = 60_000

describe('what others can cause as often as they like', () => {
  const lines: { msg: string; peer?: number; reason?: string; repeated?: number }[] = []
  let nowMs = 0
  const logger = () =>
    createLogger('info', { node: 1 }, { write: (line) => lines.push(JSON.parse(line)) }, () => nowMs)
  const taken = () => lines.splice(0).map(({ peer, reason, repeated }) => ({ peer, reason, repeated }))

  it('is logged once for each reason and peer, and after a minute with how often it was repeated', () => {
    const log = logger()
    const two = log.child({ peer: 2 })
    for (let k = 0; k < 90; k++) {
      for (const peer of [two, log.child({ peer: 3 })]) peer.warn({ reason: 'no member' }, 'refused')
      nowMs += 500
    }
    log.warn({ reason: 'entry 1 is wrong', kind: 'wrong' }, 'refused')
    log.warn({ reason: 'entry 2 is wrong', kind: 'wrong' }, 'refused')
    two.error({ err: new Error('no member') }, 'refused, for another cause')
    assert.deepEqual(taken(), [
      { peer: 2, reason: 'no member', repeated: undefined },
      { peer: 3, reason: 'no member', repeated: undefined },
      { peer: undefined, reason: 'entry 1 is wrong', repeated: undefined },
      { peer: 2, reason: undefined, repeated: undefined },
    ])
    nowMs += MINUTE_MS
    two.warn({ reason: 'no member' }, 'refused')
    two.warn({ reason: 'no member' }, 'refused')
    assert.deepEqual(taken(), [{ peer: 2, reason: 'no member', repeated: 89 }])
  })

  it('is bounded, whatever reasons they make up', () => {
    const log = logger()
    for (let k = 0; k < 5_000; k++) log.warn({ reason: `number ${k}` }, 'refused')
    const written = taken()
    assert.equal(written.length, 65)
    nowMs += MINUTE_MS
    for (let k = 0; k < 5_000; k++) log.warn({ reason: `another number ${k}` }, 'refused')
    assert.equal(taken().length, 65)
  })

  it('leaves alone what is news, and what has no reason', () => {
    const log = logger()
    for (let k = 0; k < 3; k++) {
      log.info({ reason: 'whatever' }, 'status')
      log.warn('a warning of its own')
      log.fatal({ err: new Error('the disk failed') }, 'stopped')
    }
    assert.equal(taken().length, 9)
  })
})
