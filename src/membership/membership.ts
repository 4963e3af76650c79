import {
  type IgnoredReason,
  isJoint,
  type Members,
  membersOf,
  NOBODY,
  type NodeId,
  type Status,
} from '../../raft/index.js'
import type { Command, Verdict } from '../machine/language/command.js'
import { checkCommand } from '../machine/language/validate.js'
import { isWildcard, parseAddress } from '../platform/address.js'
import type { Proposals, Waiter } from '../proposals/proposals.js'
import type { Replica } from '../replica/replica.js'
import { type ChangeCode, ChangeRefused } from './change-refused.js'
import type { Addresses, Directory, Member } from './directory.js'

export interface MembershipParts {
  readonly self: NodeId
  readonly replica: Replica
  readonly proposals: Proposals
  readonly directory: Directory
  /** Peers with a live stream. */
  readonly connected: () => ReadonlySet<NodeId>
}

export interface MemberList {
  readonly leader: NodeId
  readonly lastIndex: number
  readonly members: readonly MemberProgress[]
  /** Until a change is over there can be no other. */
  readonly changing: boolean
}

export interface MemberProgress extends Member {
  readonly match: number
  readonly connected: boolean
}

/** A learner this close to the leader's log will have the rest in a moment: its vote holds nothing up. */
const BEHIND_MAX = 256

const FORGETTING: Waiter = { settle: () => undefined, gone: false }

/**
 * What operators do to the cluster, on its leader: takes nodes in and out, one change at a time, and hands over
 * leadership. Each resolves when it is committed, and rejects with a `ChangeRefused`. If the leader changes on the way, a
 * change that has begun may still come to pass.
 */
export class Membership {
  readonly #parts: MembershipParts
  /** What is waited for: each looks again when something has changed. */
  readonly #looks = new Set<() => void>()
  /** An operation is under way here, though the members may not have begun to change yet. */
  #changing = false

  constructor(parts: MembershipParts) {
    this.#parts = parts
  }

  /** Leader, members, or what is under way has changed. */
  onStatus(): void {
    this.#lookAgain()
    this.tidy()
  }

  /**
   * A leader forgets the addresses and disks of those that are no members: they were removed, or never came to be. So it does not
   * matter who dies in the middle of what. To be called when the machine was told of addresses.
   */
  tidy(): void {
    const { replica, proposals } = this.#parts
    const { serving, config } = this.#status
    if (!serving || !replica.isUpToTerm || this.#isChanging()) return
    const members = new Set(membersOf(config))
    const { machine } = replica
    const told = new Set([...[...machine.members.values()].map(({ id }) => id), ...machine.disks.all.keys()])
    for (const node of told)
      if (!members.has(node)) proposals.proposeAsLeader({ op: 'forget', node }, FORGETTING)
  }

  /** As of a moment between the question and the answer. */
  async list(): Promise<MemberList> {
    const { self, replica, directory, connected } = this.#parts
    await this.#confirmLeading()
    const matches = new Map(replica.progress().map(({ id, match }) => [id, match]))
    const streams = connected()
    const { lastIndex } = replica.status
    const members = directory.members().map((member) => ({
      ...member,
      match: member.id === self ? lastIndex : (matches.get(member.id) ?? 0),
      connected: member.id === self || streams.has(member.id),
    }))
    return { leader: self, lastIndex, members, changing: this.#isChanging() }
  }

  /** Takes a node in as a learner; nothing is to be done if it is a member at these addresses. */
  async add(id: NodeId, addresses: Addresses): Promise<void> {
    const { peer, client } = this.#parts.directory.addressesOf(id)
    const isSame = peer === addresses.peer && client === addresses.client
    if (isSame && (await this.#isSettled(membersOf(this.#status.config).includes(id)))) return
    this.#checkNew(id, addresses)
    await this.#exclusively(async () => {
      await this.#describe(id, addresses)
      const { voters, learners } = this.#status.config
      await this.#reconfigure({ voters, learners: [...learners, id] })
    })
  }

  /** Gives a learner a vote, once it has caught up; nothing is to be done if it has one. */
  async promote(id: NodeId): Promise<void> {
    if (await this.#isSettled(this.#status.config.voters.includes(id))) return
    this.#mustLead()
    const { config, lastIndex } = this.#status
    this.#mustBeMember(id)
    this.#mustBeCaughtUp(id, lastIndex)
    const voters = [...config.voters, id]
    this.#mustReachMajority(voters)
    const learners = config.learners.filter((learner) => learner !== id)
    await this.#exclusively(() => this.#reconfigure({ voters, learners }))
  }

  /** Takes a node out; its address is forgotten. Nothing is to be done if it is no member. */
  async remove(id: NodeId): Promise<void> {
    if (await this.#isSettled(!membersOf(this.#status.config).includes(id))) return
    this.#mustLead()
    const { config } = this.#status
    const voters = config.voters.filter((voter) => voter !== id)
    if (voters.length === 0) {
      throw new ChangeRefused('INVALID', `node ${id} is the last voter; add and promote another one first`)
    }
    this.#mustReachMajority(voters)
    const learners = config.learners.filter((learner) => learner !== id)
    await this.#exclusively(() => this.#reconfigure({ voters, learners }))
  }

  /**
   * Hands leadership to this voter, or, given nobody, to the one that is furthest. Resolves with who leads then: another
   * voter may have won the election.
   */
  async transfer(to: NodeId): Promise<NodeId> {
    this.#mustLead()
    const { self } = this.#parts
    const heir = to === NOBODY ? this.#furthest() : to
    if (heir === self) return self
    if (!this.#status.config.voters.includes(heir)) {
      throw new ChangeRefused('INVALID', `node ${heir} is no voter; see the list of members`)
    }
    return await this.#exclusively(() => this.#handOver(heir))
  }

  #handOver(heir: NodeId): Promise<NodeId> {
    const { self, replica } = this.#parts
    const { term: before } = this.#status
    return this.#request(
      (onIgnored) => replica.transfer(heir, onIgnored),
      () => {
        const { role, leader, term } = this.#status
        if (leader === NOBODY || (role === 'leader' && term === before)) return undefined
        if (leader === self) throw this.#ignored('transfer_failed')
        return leader
      },
    )
  }

  get #status(): Status {
    return this.#parts.replica.status
  }

  #isChanging(): boolean {
    const { config, configCommitted } = this.#status
    return this.#changing || !configCommitted || isJoint(config)
  }

  async #exclusively<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#isChanging() || this.#status.transferring) {
      throw this.#ignored('changing')
    }
    this.#changing = true
    try {
      return await operation()
    } finally {
      this.#changing = false
      this.tidy()
    }
  }

  /** Also those that nobody described yet, since a node that joins may not have their configuration file. */
  async #describe(id: NodeId, addresses: Addresses): Promise<void> {
    const { directory, replica } = this.#parts
    const unknown = directory
      .members()
      .filter((member) => replica.machine.members.get(member.id) === undefined)
    const described = [...unknown, { id, ...addresses }]
    await Promise.all(
      described
        .filter(({ peer }) => peer !== '')
        .map(({ id: node, peer, client }) => this.#propose({ op: 'describe', node, peer, client })),
    )
  }

  async #propose(command: Command): Promise<void> {
    let verdict: Verdict | undefined
    let over = false
    const waiter: Waiter = {
      settle: (settled) => {
        verdict = settled
        this.onStatus()
      },
      get gone() {
        return over
      },
    }
    this.#parts.proposals.proposeAsLeader(command, waiter)
    try {
      const settled = await this.#until(() => verdict ?? this.#nothingYet())
      if (settled.kind === 'refused') throw new ChangeRefused('LIMIT', settled.message)
    } finally {
      over = true
    }
  }

  async #reconfigure(target: Members): Promise<void> {
    this.#mustLead()
    await this.#request(
      (onIgnored) => this.#parts.replica.reconfigure(target, onIgnored),
      () => {
        const { config, configCommitted } = this.#status
        const isDone = configCommitted && !isJoint(config) && sameMembers(config, target)
        return isDone || this.#nothingYet()
      },
    )
  }

  /** Makes a request of Raft, and resolves with what `probe` finds of its effect; rejects if Raft ignores it. */
  #request<T>(
    make: (onIgnored: (reason: IgnoredReason) => void) => void,
    probe: () => T | undefined,
  ): Promise<T> {
    let ignored: IgnoredReason | undefined
    make((reason) => {
      ignored = reason
      this.#lookAgain()
    })
    return this.#until(() => {
      if (ignored !== undefined) throw this.#ignored(ignored)
      return probe()
    })
  }

  #lookAgain(): void {
    for (const look of [...this.#looks]) look()
  }

  /** Resolves with what `probe` finds, as soon as it finds anything; rejects with what it throws. */
  #until<T>(probe: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        try {
          const found = probe()
          if (found === undefined) return
          resolve(found)
        } catch (error) {
          reject(error)
        }
        this.#looks.delete(look)
      }
      this.#looks.add(look)
      look()
    })
  }

  /** To wait on, as long as this node leads. */
  #nothingYet(): undefined {
    if (this.#status.role === 'leader') return undefined
    throw this.#notLeader('; the change may still come to pass: see the list of members')
  }

  /** Whether what a change is to bring is there already, and the change that brought it over; on the leader, as of now. */
  async #isSettled(isThere: boolean): Promise<boolean> {
    if (!isThere || this.#isChanging()) return false
    await this.#confirmLeading()
    return true
  }

  async #confirmLeading(): Promise<void> {
    const { replica } = this.#parts
    this.#mustLead()
    if (!(await new Promise<boolean>((resolve) => replica.confirmRead(resolve)))) throw this.#notLeader()
    this.#mustLead()
  }

  #checkNew(id: NodeId, addresses: Addresses): void {
    this.#mustLead()
    const problem = checkCommand({ op: 'describe', node: id, ...addresses })
    if (problem !== undefined) throw new ChangeRefused(problem.code as ChangeCode, problem.message)
    for (const address of [addresses.peer, addresses.client]) {
      const parsed = parseAddress(address)
      if (parsed === undefined || isWildcard(parsed)) {
        throw new ChangeRefused(
          'INVALID',
          `"${address}" is no host:port that others can reach; write for example 10.0.0.4:7204`,
        )
      }
    }
    for (const member of this.#parts.directory.members()) {
      if (member.id === id) {
        const what = member.isVoter
          ? 'voter already'
          : 'learner already: give it its vote with "lockkeeper members promote"'
        throw new ChangeRefused(
          'INVALID',
          `node ${id} is a ${what}; a new node gets an id that no node ever had`,
        )
      }
      const taken = [member.peer, member.client].find(
        (own) => own === addresses.peer || own === addresses.client,
      )
      if (taken !== undefined) {
        throw new ChangeRefused(
          'INVALID',
          `${taken} is an address of node ${member.id}; give each node its own`,
        )
      }
    }
    if (addresses.peer === addresses.client) {
      throw new ChangeRefused(
        'INVALID',
        `${addresses.peer} can't be for nodes and for clients; use two ports`,
      )
    }
  }

  #mustBeMember(id: NodeId): void {
    if (membersOf(this.#status.config).includes(id)) return
    throw new ChangeRefused('INVALID', `node ${id} is no member; see the list of members`)
  }

  /** A young log is short: who has none of it may be a node that is not even there. */
  #mustBeCaughtUp(id: NodeId, lastIndex: number): void {
    const { replica, connected } = this.#parts
    const match = replica.progress().find((follower) => follower.id === id)?.match ?? 0
    const behind = lastIndex - match
    const isReached = connected().has(id)
    if (match > 0 && behind <= BEHIND_MAX && isReached) return
    const remedy = 'see that it was started with --join, in an empty directory, and that it can be reached'
    if (match === 0 || !isReached)
      throw new ChangeRefused('NOT_READY', `nothing is heard of node ${id}; ${remedy}`)
    const figures = `${behind} entries behind, ${BEHIND_MAX} are allowed`
    throw new ChangeRefused('NOT_READY', `node ${id} has yet to catch up (${figures}); wait`)
  }

  #mustLead(): void {
    const { role, serving } = this.#status
    if (role !== 'leader') throw this.#notLeader()
    if (!serving) throw this.#ignored('not_serving')
  }

  /** Or the change would begin, never end, and bar every other. */
  #mustReachMajority(voters: readonly NodeId[]): void {
    const { self, connected } = this.#parts
    const streams = connected()
    const reached = voters.filter((id) => id === self || streams.has(id)).length
    if (reached > voters.length / 2) return
    throw new ChangeRefused(
      'NOT_READY',
      `only ${reached} of the ${voters.length} voters that there would be can be reached, which is no majority; start them, or remove those that are gone first`,
    )
  }

  #ignored(reason: IgnoredReason): ChangeRefused {
    switch (reason) {
      case 'not_leader':
        return this.#notLeader()
      case 'not_serving':
        return new ChangeRefused('NO_LEADER', 'this node has only just been elected; repeat this soon')
      case 'transferring':
        return new ChangeRefused('BUSY', 'leadership is being handed over; repeat this when that is over')
      case 'changing':
        return new ChangeRefused('BUSY', 'another change is under way; repeat this one when that is over')
      case 'invalid':
        return new ChangeRefused('INVALID', 'the members have changed meanwhile; see the list of members')
      case 'transfer_failed':
        return new ChangeRefused(
          'NOT_READY',
          `leadership was not taken over in time, and node ${this.#parts.self} goes on; see that the other node runs and can be reached`,
        )
    }
  }

  #furthest(): NodeId {
    const { self, replica } = this.#parts
    const heirs = replica.progress().filter(({ id }) => this.#status.config.voters.includes(id))
    return heirs.reduce((best, each) => (each.match > best.match ? each : best), { id: self, match: -1 }).id
  }

  #notLeader(addition = ''): ChangeRefused {
    const { self, directory } = this.#parts
    const { leader } = this.#status
    if (leader === NOBODY || leader === self) {
      return new ChangeRefused(
        'NO_LEADER',
        `node ${self} does not lead, and knows of nobody who does${addition}`,
      )
    }
    const { client } = directory.addressesOf(leader)
    return new ChangeRefused(
      'NOT_LEADER',
      `node ${self} does not lead; ask node ${leader} at ${client}${addition}`,
    )
  }
}

function sameMembers(one: Members, other: Members): boolean {
  return sameIds(one.voters, other.voters) && sameIds(one.learners, other.learners)
}

function sameIds(one: readonly NodeId[], other: readonly NodeId[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id))
}
