import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Passage } from './history.js'
import { verify } from './verify.js'

let ids = 0

/** `[asked, granted, ended, freed]`, in ms. */
function passage(token: number, times: readonly [number, number, number?, number?], name = 'a'): Passage {
  const [askedMs, grantedMs, endedMs, freedMs] = times
  return {
    id: `${++ids}`,
    name,
    token,
    askedMs,
    grantedMs,
    ...(endedMs !== undefined && { endedMs }),
    ...(freedMs !== undefined && { freedMs }),
  }
}

function assertBreaches(history: readonly Passage[], ...promises: RegExp[]): void {
  const found = verify(history)
  assert.equal(found.length, promises.length, found.join('\n'))
  for (const [k, promise] of promises.entries()) assert.match(found[k]!, promise)
}

describe('the checker of histories', () => {
  it('accepts two who took turns, on two names at a time, one of whom never heard of its release', () => {
    const history = [
      passage(1, [0, 1, 10, 12]),
      passage(2, [0, 2, 11], 'b'),
      passage(3, [5, 11, 20, 21]),
      passage(4, [9, 13, 14, 15], 'b'),
    ]
    assertBreaches(history)
  })

  it('says no when two hold a name at the same time', () => {
    assertBreaches([passage(1, [0, 1, 10, 12]), passage(2, [0, 9, 20, 21])], /not linearizable/)
  })

  it('says no when a handle that never ended was succeeded', () => {
    assertBreaches([passage(1, [0, 1]), passage(2, [0, 9, 20, 21])], /not linearizable/)
  })

  it('says no when the one with the smaller token held after the other, although both asked in time', () => {
    assertBreaches([passage(2, [0, 1, 5, 6]), passage(1, [0, 10, 11, 12])], /not linearizable/)
  })

  it('says no to a token that was given twice, even for two names', () => {
    assertBreaches([passage(1, [0, 10, 11, 12]), passage(1, [0, 10, 11, 12], 'b')], /one token, two grants/)
  })

  it('says no when a later question got a smaller token, even for another name', () => {
    assertBreaches([passage(2, [0, 1, 2, 3]), passage(1, [5, 6, 7, 8], 'b')], /tokens against time/)
  })

  it('says no when somebody who stood in the queue was overtaken', () => {
    const first = { ...passage(3, [0, 30, 31, 32]), queuedMs: 4 }
    assertBreaches([passage(1, [0, 1, 10, 11]), first, passage(2, [5, 11, 20, 21])], /overtaken/)
    assertBreaches([passage(1, [0, 1, 10, 11]), { ...first, queuedMs: 6 }, passage(2, [5, 11, 20, 21])])
  })

  it('says no when somebody who stood in the queue was never served, unless it gave up', () => {
    const forgotten: Passage = { id: 'forgotten', name: 'a', askedMs: 0, queuedMs: 4 }
    assertBreaches([forgotten, passage(1, [5, 6, 7, 8])], /overtaken.*forgotten.*stood in the queue/)
    assertBreaches([{ ...forgotten, failure: 'TIMEOUT' }, passage(1, [5, 6, 7, 8])])
  })

  it('agrees with one that tries every order of effects', () => {
    fc.assert(
      fc.property(fc.array(anyPassage, { minLength: 1, maxLength: 3 }), (drawn) => {
        const history = drawn.map(([askedMs, ...rest], k) => {
          const [waitedMs, heldMs, tookMs, token] = rest
          const grantedMs = askedMs + waitedMs
          const endedMs = grantedMs + heldMs
          return {
            id: `${k}`,
            name: 'a',
            token: token * 10 + k,
            askedMs,
            grantedMs,
            endedMs,
            freedMs: endedMs + tookMs,
          }
        })
        const found = verify(history).filter((breach) => breach.startsWith('not linearizable'))
        assert.equal(found.length === 0, hasSomeOrder(history))
      }),
      { numRuns: 2_000 },
    )
  })
})

const ms = fc.integer({ min: 0, max: 6 })
const anyPassage = fc.tuple(ms, ms, ms, ms, fc.integer({ min: 1, max: 3 }))

interface Effect {
  readonly kind: 'grant' | 'release'
  readonly token: number
  /** Between these, both included, it takes place. */
  readonly fromMs: number
  readonly toMs: number
}

/** The dumb twin: is there an order of all effects in which every one finds the lock as it must? */
function hasSomeOrder(
  history: readonly Required<Pick<Passage, 'token' | 'askedMs' | 'grantedMs' | 'endedMs' | 'freedMs'>>[],
): boolean {
  const effects = history.flatMap(({ token, askedMs, grantedMs, endedMs, freedMs }): Effect[] => [
    { kind: 'grant', token, fromMs: askedMs, toMs: grantedMs },
    { kind: 'release', token, fromMs: endedMs, toMs: freedMs },
  ])
  const canGoOn = (
    left: readonly Effect[],
    nowMs: number,
    holder: number | undefined,
    newest: number,
  ): boolean =>
    left.length === 0 ||
    left.some((effect) => {
      const atMs = Math.max(nowMs, effect.fromMs)
      if (atMs > effect.toMs) return false
      const others = left.filter((other) => other !== effect)
      if (effect.kind === 'release')
        return holder === effect.token && canGoOn(others, atMs, undefined, newest)
      return (
        holder === undefined && effect.token > newest && canGoOn(others, atMs, effect.token, effect.token)
      )
    })
  return canGoOn(effects, 0, undefined, 0)
}
