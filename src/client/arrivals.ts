import { AnySignal } from './any-signal.js'
import type { Core } from './core.js'
import { LockTimeoutError, RefusedError } from './errors.js'
import { toWholeMs } from './options.js'
import type { WaitOptions } from './waiting.js'
import type { Sighting } from './watch.js'

export type ArrivalOptions = Pick<WaitOptions, 'waitMs' | 'signal'>

/**
 * Resolves at a moment at which so many members are in a group. `begun` is called once nobody can come and go unseen any
 * more, and waited for. Rejects with a `LockTimeoutError` after `waitMs`; with the reason of `signal`; with a `RefusedError`
 * `CONFLICT` if changes were missed, among which that moment may have been; with what `begun` rejects with.
 */
export async function untilArrived(
  core: Core,
  name: string,
  count: number,
  { waitMs, signal }: ArrivalOptions,
  begun: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const late = new AbortController()
  const limitMs = waitMs === undefined ? undefined : toWholeMs('waitMs', waitMs)
  const timer = limitMs === undefined ? undefined : core.clock.after(limitMs, () => late.abort())
  using over = new AnySignal(late.signal, signal)
  try {
    let there: number | undefined
    for await (const seen of core.watch(name, { signal: over.signal })) {
      const isFirst = there === undefined
      there = seen.kind === 'state' ? seen.state.joined : there! + step(seen)
      if (isFirst) await begun()
      if (there >= count) return
      if (seen.kind === 'state' && seen.gap) throw new RefusedError('CONFLICT', missed(name))
    }
  } catch (error) {
    throw late.signal.aborted ? new LockTimeoutError([name], limitMs!) : error
  } finally {
    timer?.cancel()
  }
}

/** @throws RefusedError `INVALID` unless it is a whole number from 1 on */
export function assertSize(what: string, size: number): void {
  if (Number.isSafeInteger(size) && size > 0) return
  throw new RefusedError('INVALID', `${what} is ${size}; give a whole number, 1 or more`)
}

function step(seen: Exclude<Sighting, { kind: 'state' }>): number {
  if (seen.claim.mode !== 'member') return 0
  return seen.kind === 'granted' ? 1 : seen.kind === 'left' ? -1 : 0
}

function missed(name: string): string {
  return `changes of '${name}' were missed, and all may have been there meanwhile; ask again, or look who is there`
}
