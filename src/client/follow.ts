import { callSafely } from './held.js'

/** Who is called with what an iterator yields. */
export interface Follower<T> {
  readonly onNext: (item: T) => void
  /** It can't go on: a `ConnectError`, a refusal, or the keeper was closed. */
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
    if (!stopping.signal.aborted) callSafely(() => onError(error))
  })
  return () => stopping.abort()
}
