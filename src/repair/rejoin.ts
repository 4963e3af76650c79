import { setTimeout as sleep } from 'node:timers/promises'
import { LockkeeperError, RefusedError } from '../client/errors.js'
import { type MembersSeen, Operator } from '../client/operator.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { numberOf } from '../platform/member-id.js'
import { othersOf } from './repair.js'

const PAUSE_MS = 500

export interface Newcomer {
  readonly member: number
  /** Whether it is to have a vote, as the life before it had. */
  readonly votes: boolean
  /** By what it knows itself: a committed configuration had it. */
  readonly wasMember: () => boolean
}

/**
 * Has the cluster take this node, which is running, in place of its earlier lives: those go, it becomes a learner and, when
 * it has caught up, a voter, unless the one before was none. Each step can be repeated, so it does not matter who crashes on
 * the way. One that was a member and is none any more was removed by an operator, and stays out. Resolves when there is
 * nothing left to do or `signal` is aborted.
 */
export async function rejoin(
  config: NodeConfig,
  newcomer: Newcomer,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  using operator = new Operator([...othersOf(config), config.client])
  const taking = new Taking(operator, config, newcomer)
  const { member } = newcomer
  let reported = ''
  while (!signal.aborted) {
    try {
      const outcome = await taking.step()
      if (outcome === 'back') logger.info({ member }, 'the node is back')
      if (outcome === 'removed') logger.warn({ member }, 'removed from the cluster: the node stays out')
      if (outcome !== undefined) return
    } catch (error) {
      if (!(error instanceof LockkeeperError)) throw error
      if (error.message !== reported) logger.warn({ reason: error.message }, 'not back yet; trying on')
      reported = error.message
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}

/** One step after the other, each by what the leader says of the members at that moment. */
export class Taking {
  readonly #operator: Pick<Operator, 'members' | 'change'>
  readonly #config: NodeConfig
  readonly #member: number
  readonly #votes: boolean
  readonly #wasMember: () => boolean
  /** The leader has said so. */
  #isMember = false

  constructor(
    operator: Pick<Operator, 'members' | 'change'>,
    config: NodeConfig,
    { member, votes, wasMember }: Newcomer,
  ) {
    this.#operator = operator
    this.#config = config
    this.#member = member
    this.#votes = votes
    this.#wasMember = wasMember
  }

  /** Undefined: there is more to do. */
  async step(): Promise<'back' | 'removed' | undefined> {
    const { members, changing } = await this.#operator.members()
    const own = members.find(({ id }) => id === this.#member)
    if (own !== undefined && (own.voter || !this.#votes)) return 'back'
    if (own === undefined && (this.#isMember || this.#wasMember())) return 'removed'
    // What is not committed yet may be taken back.
    this.#isMember ||= own !== undefined && !changing
    const earlier = members.find(({ id }) => numberOf(id) === this.#config.id && id < this.#member)
    if (earlier !== undefined) await this.#replace(earlier)
    else if (own === undefined) await this.#add()
    else await this.#promote()
    return undefined
  }

  /** Whoever is connected is alive: then this node is one too many. */
  async #replace({ id, connected }: MembersSeen['members'][number]): Promise<void> {
    if (connected) {
      const remedy = `stop the other process of node ${this.#config.id}, or give this one a number of its own`
      throw new RefusedError('NOT_READY', `member ${id} is connected, so it runs elsewhere: ${remedy}`)
    }
    await this.#operator.change('removeMember', { id }, (seen) => !this.#has(seen, id))
  }

  async #add(): Promise<void> {
    const { peer, client } = this.#config
    const request = { id: this.#member, peerAddress: peer, clientAddress: client }
    await this.#operator.change('addMember', request, (seen) => this.#has(seen, this.#member))
  }

  async #promote(): Promise<void> {
    const id = this.#member
    await this.#operator.change('promoteMember', { id }, ({ members }) =>
      members.some((each) => each.id === id && each.voter),
    )
  }

  #has({ members }: MembersSeen, id: number): boolean {
    return members.some((each) => each.id === id)
  }
}
