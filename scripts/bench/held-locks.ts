import type { Keeper, Lock } from '../../src/client/index.js'
import type { Cycle } from './load.js'

/** Acquires on their way at a time, while the locks are taken. */
const TAKERS = 2_048

interface Held {
  readonly keeper: Keeper
  lock: Lock
}

/**
 * Takes `count` locks, dealt out among the sessions. They are held from then on, but for the moment in which a cycle gives
 * one back and takes it again: always the one whose turn was longest ago, so that every cycle between two checkpoints
 * changes another one, which is the most that a checkpoint may have to write.
 */
export async function holdLocks(keepers: readonly Keeper[], count: number): Promise<Cycle> {
  const held: Held[] = []
  let asked = 0
  const take = async (): Promise<void> => {
    while (asked < count) {
      const keeper = keepers[asked % keepers.length]!
      const lock = await keeper.lock(`held/${asked++}`)
      held.push({ keeper, lock })
    }
  }
  await Promise.all(Array.from({ length: TAKERS }, take))
  let turn = 0
  return async () => {
    const one = held[turn++ % count]!
    await one.lock.release()
    one.lock = await one.keeper.lock(one.lock.name)
  }
}
