import {
  type Configuration,
  type Entry,
  isJoint,
  isVoter,
  type LogIndex,
  membersOf,
  NO_MEMBERS,
  NOBODY,
  type NodeId,
  type Status,
} from '../../raft/index.js'
import type { Hello } from '../../src/transport/hello.js'
import type { MemoryDisk } from '../suites/memory-disk.js'
import { isOn } from './quorum-checks.js'

/** What a disk has, at one moment. */
export type DiskCopy = Pick<MemoryDisk, 'hardState' | 'start' | 'entries' | 'checkpoint' | 'facts'>

/** That a machine has come back with less on its disk than it had. */
export interface DiskLoss {
  readonly how: 'emptied' | 'rolled back'
  /** What the disk had before. */
  readonly before: DiskCopy
  /** The others who know that it had more than it has now. */
  readonly witnesses: Set<NodeId>
  /** If it was rolled back: it had at least this. */
  readonly knownIndex: LogIndex
  /** It has been told, and wrote that down. */
  isClaimed: boolean
}

export function copyOf({ hardState, start, entries, checkpoint, facts }: DiskCopy): DiskCopy {
  return { hardState, start, entries: [...entries], checkpoint, facts }
}

export function emptyDisk(disk: number): DiskCopy {
  const facts = { disk, accusers: [], wasMember: false, met: [], incarnation: 0 }
  return { hardState: { term: 0, vote: NOBODY }, start: undefined, entries: [], checkpoint: undefined, facts }
}

export function endOf({ start, entries }: DiskCopy): LogIndex {
  return (start?.index ?? 0) + entries.length
}

/** Whether it can be told by this disk which one a member was on: by what it has met, or by the entry that says so. */
export function knows(disk: DiskCopy, member: NodeId, registration: Entry | undefined): boolean {
  const isMet = disk.facts.met.some((each) => each.member === member)
  return isMet || (registration !== undefined && isOn(disk, registration))
}

/** Whether a witness lets a member in that it must refuse; those who are no members any more may talk to each other. */
export function isHeardWrongly(
  { how, knownIndex }: DiskLoss,
  { from, lastIndex = 0 }: Hello,
  witness: NodeId,
  config: Configuration = NO_MEMBERS,
): boolean {
  const isLess = how === 'emptied' || lastIndex < knownIndex
  const members = membersOf(config)
  return isLess && members.includes(witness) && members.includes(from)
}

/** All other members, if they are a majority without this voter; undefined if its disk must not be lost now. */
export function whoRemain(
  id: NodeId,
  leader: Status | undefined,
  isGone: (id: NodeId) => boolean,
): NodeId[] | undefined {
  if (!leader?.configCommitted || isJoint(leader.config) || !isVoter(leader.config, id)) return undefined
  const isExpendable = leader.config.voters.length >= 3 && !membersOf(leader.config).some(isGone)
  return isExpendable ? membersOf(leader.config).filter((member) => member !== id) : undefined
}
