import assert from 'node:assert/strict'
import type { Keeper, Lock } from '../../src/client/index.js'
import { LABEL } from './log-growth.js'

const EACH = 50

/** Locks that are to outlast whatever follows. */
export function hold(keeper: Keeper, count: number): Promise<Lock[]> {
  return Promise.all(Array.from({ length: count }, (_, k) => keeper.lock(`held/${k}`, { label: LABEL })))
}

/** All of them are held as far as their holder knows, and some are looked at by `keeper`: with the same tokens. */
export async function assertHeld(keeper: Keeper, locks: readonly Lock[]): Promise<void> {
  for (const [k, lock] of locks.entries()) {
    assert.equal(lock.state, 'held')
    if (k % EACH > 0) continue
    const { holders } = await keeper.get(`held/${k}`)
    assert.deepEqual(
      holders.map(({ token }) => token),
      [lock.token],
    )
  }
}
