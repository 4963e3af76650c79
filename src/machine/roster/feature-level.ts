/**
 * Nodes of several versions replay one log, and must decide the same. What a version brings has a feature level. The cluster
 * is on the least level of its members; a node refuses what is above that exactly as a version does that has never heard of
 * it, and from the entry on that raises the level, all of them know it.
 */
import type { Acquire, Command } from '../language/command.js'

/** What this version knows. */
export const FEATURE_LEVEL = 4

/** A cluster has an incarnation: see `incarnation.ts`. */
export const INCARNATION_SINCE = 4

/** Commands; where nothing stands, it is 0. */
const SINCE: Partial<Record<Command['op'], number>> = {
  identify: 1,
  update: 2,
  downgrade: 2,
  forceRelease: 2,
  requestRelease: 2,
  suspend: 2,
  resume: 2,
  begin: INCARNATION_SINCE,
}
/** A peer of a version that knows less breaks off at the word that a disk is low on space. */
export const LOW_ON_SPACE_SINCE = 1
/** Claims that are more than a lock in a queue, and what a release leaves. */
const TERMS_SINCE = 2
/** The changes of names are counted. */
export const CHANGES_SINCE = 2
/** A peer of a version that knows less breaks off at the word of what is kept on a disk. */
export const KEPT_SINCE = 2
/** Deadlocks in semaphores are counted by seats, and found if they close through several holders. */
export const CIRCLES_SINCE = 3
/** Every reply to a request is remembered, with a hash of the request: another one under its numbers is refused. */
export const REPLIES_REMEMBERED_SINCE = 4
/** The work of one entry is bounded; what is left of it is done in later entries. */
export const STEPS_SINCE = 4
/** Digests of what machines say have the beginning of a long text, and its length. */
export const BRIEF_DIGESTS_SINCE = 4
/** A peer of a version that knows less breaks off at the word that a node is low on memory. */
export const LOW_ON_MEMORY_SINCE = 4
/** What a peer forwards is whitelisted: see `payload.ts` in `src/replica`. */
export const FORWARDING_SINCE = 4

export function levelOf(command: Command): number {
  if (command.op === 'acquire') return isPlain(command) ? 0 : TERMS_SINCE
  if (command.op === 'release') return command.succession === undefined ? 0 : TERMS_SINCE
  return SINCE[command.op] ?? 0
}

/** As the first version knew them. */
export function isPlain({ mode, terms }: Acquire): boolean {
  return mode?.kind === 'exclusive' && terms === undefined
}

/** The cluster has risen above what this version knows: what it would make of the log is not what the others make of it. */
export class FeatureLevelError extends Error {
  override readonly name = 'FeatureLevelError'

  constructor(level: number) {
    super(
      `the cluster is on feature level ${level}, and this version knows level ${FEATURE_LEVEL}: upgrade this node`,
    )
  }
}
