import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatDuration } from '../../src/cli/durations.js'
import { parseDuration } from '../../src/client/durations.js'

describe('a duration on the command line', () => {
  it('is a number and a unit', () => {
    const written = ['500ms', '5s', '1.5s', '2m', '1h', '0s'].map(parseDuration)
    assert.deepEqual(written, [500, 5_000, 1_500, 120_000, 3_600_000, 0])
  })

  it('needs no unit when it is 0', () => {
    assert.equal(parseDuration('0'), 0)
  })

  it('is never guessed', () => {
    for (const text of [
      '',
      '5',
      's',
      '5 s',
      '-5s',
      '5w',
      '1h30m',
      '.5s',
      '5S',
      'Infinitys',
      `${'9'.repeat(30)}h`,
    ]) {
      assert.equal(parseDuration(text), undefined, text)
    }
  })

  it('is whole milliseconds, never negative', () => {
    const text = fc.tuple(fc.float({ min: 0, max: 1e6, noNaN: true }), fc.constantFrom('ms', 's', 'm', 'h'))
    fc.assert(
      fc.property(text, ([amount, unit]) => {
        const ms = parseDuration(`${amount.toFixed(3)}${unit}`)
        assert.ok(Number.isSafeInteger(ms) && ms! >= 0)
      }),
    )
  })
})

describe('a duration in a table', () => {
  it('shows the two largest units', () => {
    const shown = [0, 350, 999, 1_000, 59_999, 60_000, 200_000, 3_599_000, 7_500_000, 273_600_000].map(
      formatDuration,
    )
    assert.deepEqual(shown, [
      '0ms',
      '350ms',
      '999ms',
      '1.0s',
      '59.9s',
      '1m 0s',
      '3m 20s',
      '59m 59s',
      '2h 5m',
      '3d 4h',
    ])
  })
})
