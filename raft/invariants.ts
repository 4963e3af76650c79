import { assert } from './assert.js'
import {
  type Configuration,
  type Entry,
  type LogIndex,
  type LogStart,
  NOBODY,
  type NodeId,
  type Role,
  type Term,
} from './types.js'

/** A node seen from outside. Figures are of one moment; `entryAt` always looks at the log as it is. */
export interface NodeView {
  readonly id: NodeId
  readonly role: Role
  readonly term: Term
  readonly vote: NodeId
  readonly leader: NodeId
  /** The log begins after this. */
  readonly start: LogStart
  /** The configuration in force, and the entry that brought it. */
  readonly config: Configuration
  readonly configIndex: LogIndex
  readonly commitIndex: LogIndex
  readonly persistedIndex: LogIndex
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly entryAt: (index: LogIndex) => Entry | undefined
}

/** What holds in every state of a node. Cheap: checked in production after every step. */
export function checkState(node: NodeView): void {
  assert(node.start.index <= node.commitIndex, 'only what is committed is forgotten', node)
  assert(node.commitIndex <= node.lastIndex, 'what is committed is in the log', node)
  assert(node.persistedIndex <= node.lastIndex, 'what is persisted is in the log', node)
  assert(node.lastTerm <= node.term, 'no entry is of a later term than the node', node)
  if (node.role !== 'leader') return
  assert(node.vote === node.id, 'a leader voted for itself', node)
  assert(node.leader === node.id, 'a leader knows who leads', node)
  assert(node.lastTerm === node.term, 'a leader has an entry of its own term', node)
}

/** What holds between two states of a node, the second later than the first. Cheap, too. */
export function checkTransition(before: NodeView, after: NodeView): void {
  const figures = { before, after }
  assert(after.term >= before.term, 'terms only grow', figures)
  assert(after.commitIndex >= before.commitIndex, 'what is committed stays committed', figures)
  assert(after.start.index >= before.start.index, 'what is forgotten stays forgotten', figures)
  if (after.term !== before.term) return
  assert(before.vote === NOBODY || after.vote === before.vote, 'one vote per term', figures)
  const twoLeaders = before.leader !== NOBODY && after.leader !== NOBODY && before.leader !== after.leader
  assert(!twoLeaders, 'one leader per term', figures)
  if (before.role !== 'leader' || after.role !== 'leader') return
  assert(after.lastIndex >= before.lastIndex, 'a leader only appends', figures)
  const oneChange = after.configIndex === before.configIndex || before.configIndex <= after.commitIndex
  assert(oneChange, 'a change of members begins after the one before is committed', figures)
}

/** The whole log, entry by entry: for tests and simulation. */
export function checkLog(node: NodeView): void {
  let { term } = node.start
  for (let index = node.start.index + 1; index <= node.lastIndex; index++) {
    const entry = node.entryAt(index)
    assert(entry?.index === index, 'the log has no hole', { id: node.id, index })
    assert(entry.term >= term, 'terms never decrease along the log', { id: node.id, index })
    term = entry.term
  }
}
