import type { Passage } from './history.js'

/**
 * Checks a whole history of passages through locks, of any number of clients, against what the cluster promises. Returns
 * a sentence for each breach; nothing if there is none.
 */
export function verify(history: readonly Passage[]): string[] {
  const granted = history.filter(isGranted)
  return [
    ...repeatedTokens(granted),
    ...tokensAgainstTime(granted),
    ...byName(granted).flatMap(notLinearizable),
    ...byName(history).flatMap(overtaken),
  ]
}

type Granted = Passage & { readonly grantedMs: number; readonly token: number }

function isGranted(passage: Passage): passage is Granted {
  return passage.token !== undefined && passage.grantedMs !== undefined
}

/** P2: no token is given twice in a cluster, whatever the names. */
function repeatedTokens(granted: readonly Granted[]): string[] {
  const seen = new Map<number, Granted>()
  return granted.flatMap((passage) => {
    const first = seen.get(passage.token)
    seen.set(passage.token, passage)
    return first === undefined ? [] : [`one token, two grants: ${told(first)} and ${told(passage)}`]
  })
}

/** P2: who asked after another had been granted, under whatever name, has a greater token. */
function tokensAgainstTime(granted: readonly Granted[]): string[] {
  return outOfOrder(granted, ({ grantedMs }) => grantedMs).map(
    ([earlier, later]) => `tokens against time: ${told(earlier)} was granted before ${told(later)} asked`,
  )
}

/** P3: who asked after another had been seen in the same queue is granted after it. */
function overtaken(passages: readonly Passage[]): string[] {
  const served = passages.filter((passage) => isGranted(passage) || passage.failure === undefined)
  return outOfOrder(served, ({ queuedMs }) => queuedMs).map(
    ([earlier, later]) => `overtaken: ${told(earlier)} stood in the queue before ${told(later)} asked`,
  )
}

/**
 * Pairs of which one was `done` before the other asked, but has the greater token (or none at all). For each who asked,
 * only the worst of those before it.
 */
function outOfOrder(
  passages: readonly Passage[],
  done: (passage: Passage) => number | undefined,
): [Passage, Passage][] {
  const earlier = passages.filter((passage) => done(passage) !== undefined)
  earlier.sort((a, b) => done(a)! - done(b)!)
  const pairs: [Passage, Passage][] = []
  let next = 0
  let greatest: Passage | undefined
  for (const later of sortedBy(passages.filter(isGranted), ({ askedMs }) => askedMs)) {
    for (; next < earlier.length && done(earlier[next]!)! < later.askedMs; next++) {
      if (greatest === undefined || order(earlier[next]!) > order(greatest)) greatest = earlier[next]
    }
    if (greatest !== undefined && order(greatest) > later.token) pairs.push([greatest, later])
  }
  return pairs
}

function order({ token = Number.POSITIVE_INFINITY }: Passage): number {
  return token
}

/**
 * P1 and P6, as linearizability (Herlihy & Wing 1990) of one lock with tokens: every grant takes effect at one moment
 * between question and answer, every release at one moment from the end of the handle on and, if it was acknowledged,
 * before its answer; and they alternate. The tokens say in which order the grants must stand, so there is only one order
 * to try. Each effect is put at the earliest moment it can have, which for a release is the end of its handle: if
 * that is after the answer to the next grant, so is every other moment.
 */
function notLinearizable(ofOneName: readonly Granted[]): string[] {
  let freeSinceMs = Number.NEGATIVE_INFINITY
  let holder: Granted | undefined
  for (const passage of sortedBy(ofOneName, ({ token }) => token)) {
    if (holder !== undefined && freeSinceMs > passage.grantedMs)
      return [`not linearizable: ${told(passage)} was granted before ${told(holder)} ended`]
    freeSinceMs = passage.endedMs ?? Number.POSITIVE_INFINITY
    holder = passage
  }
  return []
}

function byName<P extends Passage>(passages: readonly P[]): P[][] {
  const names = new Map<string, P[]>()
  for (const passage of passages) {
    const known = names.get(passage.name)
    if (known === undefined) names.set(passage.name, [passage])
    else known.push(passage)
  }
  return [...names.values()]
}

function sortedBy<P>(passages: readonly P[], figure: (passage: P) => number): P[] {
  return [...passages].sort((a, b) => figure(a) - figure(b))
}

function told({ id, name, token, askedMs, queuedMs, grantedMs, endedMs, freedMs }: Passage): string {
  const times = { asked: askedMs, queued: queuedMs, granted: grantedMs, ended: endedMs, freed: freedMs }
  const seen = Object.entries(times).flatMap(([what, ms]) =>
    ms === undefined ? [] : [`${what} ${ms.toFixed(1)}`],
  )
  return `#${id} of '${name}' (token ${token ?? 'none'}; ${seen.join(', ')})`
}
