import { setTimeout as sleep } from 'node:timers/promises'
import { LockkeeperError, RefusedError } from '../client/errors.js'
import { type MembersSeen, Operator } from '../client/operator.js'
import type { NodeConfig } from '../platform/config.js'
import type { Logger } from '../platform/logger.js'
import { numberOf } from '../platform/member-id.js'
import { othersOf } from './new-life.js'

const PAUSE_MS = 500

/**
 * Has the cluster take `member`, which is running, in place of the earlier lives of this node: those go, it becomes a
 * learner and, when it has caught up, a voter, unless the one before was none. Each step can be repeated, so it does not
 * matter who crashes on the way. Resolves when that is done or `signal` is aborted.
 */
export async function rejoin(
  config: NodeConfig,
  member: number,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  using operator = new Operator([...othersOf(config), config.client])
  const taking = new Taking(operator, config, member)
  let reported = ''
  while (!signal.aborted) {
    try {
      if (await taking.step()) {
        logger.info({ member }, 'the node is back')
        return
      }
    } catch (error) {
      if (!(error instanceof LockkeeperError)) throw error
      if (error.message !== reported) logger.warn({ reason: error.message }, 'not back yet; trying on')
      reported = error.message
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}

class Taking {
  readonly #operator: Operator
  readonly #config: NodeConfig
  readonly #member: number
  #hadVote = true

  constructor(operator: Operator, config: NodeConfig, member: number) {
    this.#operator = operator
    this.#config = config
    this.#member = member
  }

  /** Returns whether there is nothing left to do. */
  async step(): Promise<boolean> {
    const { members } = await this.#operator.members()
    const own = members.find(({ id }) => id === this.#member)
    if (own !== undefined && (own.voter || !this.#hadVote)) return true
    const earlier = members.find(({ id }) => numberOf(id) === this.#config.id && id < this.#member)
    if (earlier !== undefined) await this.#replace(earlier)
    else if (own === undefined) await this.#add()
    else await this.#promote()
    return false
  }

  /** Whoever is connected is alive: then this node is one too many. */
  async #replace({ id, voter, connected }: MembersSeen['members'][number]): Promise<void> {
    if (connected) {
      const remedy = `stop the other process of node ${this.#config.id}, or give this one a number of its own`
      throw new RefusedError('NOT_READY', `member ${id} is connected, so it runs elsewhere: ${remedy}`)
    }
    this.#hadVote = voter
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
