import {
  type Configuration,
  type Entry,
  type Input,
  type Message,
  type NodeId,
  RAFT_DEFAULTS,
  type RaftConfig,
  RaftNode,
} from '../../raft/index.js'

export interface Circumstances {
  readonly voters?: readonly NodeId[]
  readonly term?: number
  readonly vote?: NodeId
  /** Terms of the entries on disk, from index 1 on. */
  readonly log?: readonly number[]
  readonly settings?: Partial<RaftConfig>
}

/** Node 1 of 3, restarted; timeouts are the shortest: elections after 10 ticks, heartbeats after 2. */
export function nodeOne({
  voters = [1, 2, 3],
  term = 0,
  vote = 0,
  log = [],
  settings = {},
}: Circumstances = {}): RaftNode {
  const timing = {
    ...RAFT_DEFAULTS,
    id: 1,
    heartbeatTicks: 2,
    electionTicks: 10,
    disconnectTicks: 3,
    ...settings,
  }
  const entries = log.map((entryTerm, i) => entry(i + 1, entryTerm))
  const start = { index: 0, term: 0, config: voting(...voters) }
  return new RaftNode(timing, { hardState: { term, vote }, start, entries, appliedIndex: 0 }, () => 0)
}

/** Node 1 as the leader of the term after `term`; its no-op is on its own disk, and nowhere else yet. */
export function leaderOne(circumstances: Circumstances = {}): RaftNode {
  const node = nodeOne(circumstances)
  const term = (circumstances.term ?? 0) + 1
  node.step(ticks(10))
  const voters = (circumstances.voters ?? [1, 2, 3]).slice(1)
  node.step(voters.map((from) => heard(from, { kind: 'vote_result', term, pre: true, granted: true })))
  node.step([{ kind: 'written', write: 1 }])
  const { write } = node.step(
    voters.map((from) => heard(from, { kind: 'vote_result', term, pre: false, granted: true })),
  )
  node.step([{ kind: 'written', write: write!.id }])
  return node
}

export function voting(...voters: readonly NodeId[]): Configuration {
  return { voters, outgoing: [], learners: [] }
}

export function entry(index: number, term: number, ...payload: number[]): Entry {
  return { index, term, payload: Uint8Array.from(payload) }
}

export function heard(from: NodeId, message: Message): Input {
  return { kind: 'message', from, message }
}

export function ticks(count: number): Input[] {
  return Array.from({ length: count }, () => ({ kind: 'tick' }))
}

export function accepted(index: number, term = 1, round = 0): Message {
  return { kind: 'append_result', term, accepted: true, index, hintIndex: 0, hintTerm: 0, round }
}

export function append(
  term: number,
  prevIndex: number,
  prevTerm: number,
  entries: Entry[] = [],
  commit = 0,
  round = 0,
): Message {
  return { kind: 'append', term, prevIndex, prevTerm, entries, commit, round }
}
