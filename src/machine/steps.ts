/**
 * Work on so many records that nobody may stand still until it is done: it yields after each step, which takes a few
 * milliseconds, and returns what came of it.
 */
export type Steps<T> = Generator<void, T>

const RECORDS_PER_STEP = 2_000
/** To compare is less work. */
const SORTED_PER_STEP = 10_000

/** All of it at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

export function* forEach<T>(items: Iterable<T>, action: (item: T) => void): Steps<void> {
  let count = 0
  for (const item of items) {
    action(item)
    if (++count % RECORDS_PER_STEP === 0) yield
  }
}

/** Merge sort: what is in order already, or nearly so, costs little. */
export function* sorted<T>(items: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let runs: T[][] = []
  for (let from = 0; from < items.length; from += SORTED_PER_STEP) {
    if (from > 0) yield
    runs.push(items.slice(from, from + SORTED_PER_STEP).sort(compare))
  }
  while (runs.length > 1) {
    const longer: T[][] = []
    for (let k = 0; k < runs.length; k += 2) longer.push(yield* merged(runs[k]!, runs[k + 1] ?? [], compare))
    runs = longer
  }
  return runs[0] ?? []
}

function* merged<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  if (a.length === 0 || b.length === 0 || compare(a.at(-1)!, b[0]!) <= 0) return a.concat(b)
  const all: T[] = []
  for (let i = 0, k = 0; all.length < a.length + b.length; ) {
    const isNextOfA = k === b.length || (i < a.length && compare(a[i]!, b[k]!) <= 0)
    all.push(isNextOfA ? a[i++]! : b[k++]!)
    if (all.length % SORTED_PER_STEP === 0) yield
  }
  return all
}
