import type { Entry, LogIndex, NodeId, RaftNode } from '../../raft/index.js'
import { identifiesIn } from './payload.js'
import type { Replica } from './replica.js'

interface Named {
  readonly index: LogIndex
  readonly node: NodeId
  readonly disk: number
}

/**
 * Which disk each node is on by the whole log of this node: what its machine has applied, and what comes after that. The
 * latter may not be committed, but it counts when a peer says hello: a node that has just restarted has applied nothing, and
 * a peer that is refused wrongly is repaired as another member, an emptied disk that is believed costs what it had acknowledged (fault 17).
 */
export class LoggedDisks {
  readonly #raft: Pick<RaftNode, 'view'>
  readonly #replica: Pick<Replica, 'machine' | 'appliedIndex'>
  /** The entries up to here have been read; they are still in the log if that one is. */
  #readTo: Pick<Entry, 'index' | 'term'> = { index: 0, term: 0 }
  /** By entries that were not applied when they were read, oldest first. */
  #named: Named[] = []

  constructor(raft: Pick<RaftNode, 'view'>, replica: Pick<Replica, 'machine' | 'appliedIndex'>) {
    this.#raft = raft
    this.#replica = replica
  }

  /** The first registration counts, as in the machine. That a node is to be forgotten counts once it is applied. */
  get(node: NodeId): number | undefined {
    this.refresh()
    return this.#replica.machine.disks.all.get(node) ?? this.#named.find((each) => each.node === node)?.disk
  }

  /** Returns whether the log names disks that it did not name before. Costs next to nothing if it has not grown. */
  refresh(): boolean {
    const { lastIndex, lastTerm, entryAt } = this.#raft.view()
    const { appliedIndex } = this.#replica
    const { index, term } = this.#readTo
    const isInLog = index <= appliedIndex || entryAt(index)?.term === term
    if (this.#named.length > 0)
      this.#named = isInLog ? this.#named.filter((each) => each.index > appliedIndex) : []
    const from = isInLog ? Math.max(index, appliedIndex) : appliedIndex
    if (from >= lastIndex) return false
    const named = Array.from({ length: lastIndex - from }, (_, k) => namedIn(entryAt(from + 1 + k)!)).flat()
    this.#named.push(...named)
    this.#readTo = { index: lastIndex, term: lastTerm }
    return named.length > 0
  }
}

function namedIn({ index, payload, config }: Entry): Named[] {
  if (config !== undefined) return []
  return identifiesIn(payload).map(({ node, disk }) => ({ index, node, disk }))
}
