import { reached } from './membership.js'
import { Progress } from './progress.js'
import type { Server } from './server.js'
import type { LogIndex, NodeId } from './types.js'

/**
 * Entries in one append, and unanswered. For the disk a small entry is as much work as a KiB, and all that is in flight may
 * come to it as one write, in one turn of the follower's event loop.
 */
const APPEND_ENTRIES_MAX = 1_024
const INFLIGHT_ENTRIES_MAX = 4_096

/** Brings the leader's log to its followers (§3.5), each at its own pace. */
export class Replication {
  readonly #server: Server
  readonly #followers = new Map<NodeId, Progress>()

  constructor(server: Server) {
    this.#server = server
  }

  get followers(): ReadonlyMap<NodeId, Progress> {
    return this.#followers
  }

  /** Those who are new get the log, too. Its last entry is the first guess at where theirs agrees. */
  admit(members: readonly NodeId[]): void {
    const { log, now, config } = this.#server
    for (const id of members) {
      if (id !== config.id && !this.#followers.has(id))
        this.#followers.set(id, new Progress(log.lastIndex + 1, now))
    }
  }

  /** The others hear a last time what is committed, so that they know that they are out, and are let go. */
  dismissAllBut(members: readonly NodeId[], round: number): void {
    for (const [id, progress] of this.#followers) {
      if (members.includes(id)) continue
      if (!progress.needsSnapshot(this.#server.log.start.index))
        this.#sendAppend(id, progress, progress.next - 1, round)
      this.#followers.delete(id)
    }
  }

  /** What a majority has reached (of both sets, while joint), where this server itself has reached `own`. */
  reached(own: number, figureOf: (progress: Progress) => number): number {
    const { config, configuration } = this.#server
    return reached(configuration, (id) => (id === config.id ? own : figureOf(this.#followers.get(id)!)))
  }

  /** Sends everybody what is missing, or at least a heartbeat if that is due, bearing the number of the newest round. */
  update(heartbeatDue: boolean, round: number): void {
    for (const [peer, progress] of this.#followers) {
      if (progress.needsSnapshot(this.#server.log.start.index)) this.#server.outbox.sendSnapshot(peer)
      if (this.#sendEntries(peer, progress, round)) continue
      if (heartbeatDue) this.#sendAppend(peer, progress, progress.next - 1, round)
      else this.#tellCommit(peer, progress)
    }
  }

  /** Never above what the follower is known to have. */
  #tellCommit(peer: NodeId, progress: Progress): void {
    const commit = Math.min(this.#server.log.commitIndex, progress.match)
    if (commit <= progress.told) return
    progress.told = commit
    this.#server.outbox.send(peer, { kind: 'commit', term: this.#server.term, commit })
  }

  #sendEntries(peer: NodeId, progress: Progress, round: number): boolean {
    const { log, config } = this.#server
    let sent = false
    while (progress.open && progress.next <= log.lastIndex) {
      const end = Math.min(
        log.runEnd(progress.next, config.appendBytesMax),
        progress.next + APPEND_ENTRIES_MAX - 1,
      )
      const nothingInFlight = progress.next === progress.arrived + 1
      if (!nothingInFlight && this.#isTooMuch(progress.arrived, end)) break
      this.#sendAppend(peer, progress, end, round)
      progress.sent(end)
      sent = true
    }
    return sent
  }

  /** To have the entries after `arrived` up to `end` under way. */
  #isTooMuch(arrived: LogIndex, end: LogIndex): boolean {
    const { log, config } = this.#server
    return log.bytesBetween(arrived, end) > config.inflightBytesMax || end - arrived > INFLIGHT_ENTRIES_MAX
  }

  /** Entries from `next` to `end`; none if `end` is just before `next`. */
  #sendAppend(peer: NodeId, progress: Progress, end: LogIndex, round: number): void {
    const { log, term, outbox } = this.#server
    const prevIndex = progress.next - 1
    const prevTerm = log.termAt(prevIndex)!
    const entries = log.slice(progress.next, end)
    const commit = log.commitIndex
    outbox.send(peer, { kind: 'append', term, prevIndex, prevTerm, entries, commit, round })
    progress.told = Math.max(progress.told, Math.min(commit, end))
  }
}
