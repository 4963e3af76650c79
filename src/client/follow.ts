import { KeeperClosedError } from './errors.js'
import { callSafely } from './held.js'

/** Who is called with what an iterator yields. */
export interface Follower<T> {
  readonly onNext: (item: T) => void
  /** It can't go on: a `ConnectError`, or a refusal. */
  readonly onError: (error: unknown) => void
}

/** Calls the follower with each item, until what is returned is called. */
export function follow<T>(
  iterate: (signal: AbortSignal) => AsyncIterable<T>,
  { onNext, onError }: Follower<T>,
): () => void {
  const stopping = new AbortController()
  const run = async (): Promise<void> => {
    for await (const item of iterate(stopping.signal)) {
      if (stopping.signal.aborted) return
      callSafely(() => onNext(item))
    }
  }
  run().catch((error: unknown) => {
    if (stopping.signal.aborted || error instanceof KeeperClosedError) return
    callSafely(() => onError(error))
  })
  return () => stopping.abort()
}
