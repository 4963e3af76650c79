import { membersOf, NOBODY, type NodeId } from '../../raft/index.js'
import { ChangeRefused } from '../../src/membership/change-refused.js'
import type { MemberList, Membership } from '../../src/membership/membership.js'
import { addressOf } from './client-network.js'
import type { Cluster } from './cluster.js'
import type { DiskCopy } from './disk-loss.js'
import type { History } from './history.js'
import { peerAddressOf } from './peer-station.js'
import type { Random } from './random.js'
import type { World } from './world.js'

export interface OperatorParts {
  readonly name: string
  readonly world: World
  readonly random: Random
  readonly history: History
  readonly cluster: Cluster
  /** Nodes that are to go, or have gone, by the will of any operator: their ids are never used again. */
  readonly outcasts: Set<NodeId>
  /** What any operator has asked for, and been given no answer to; it may not be in the log yet. */
  readonly asked: Set<Aim>
  /** Between two changes, on average, in ms. */
  readonly pauseMs: number
}

/** What an operator wants done by the leader. */
export interface Aim {
  readonly what: 'added' | 'promoted' | 'removed' | 'transferred'
  readonly node: NodeId
  readonly act: (membership: Membership) => Promise<unknown>
}

type Answer<T> = { readonly value: T } | ChangeRefused | undefined

/** How many voters an operator may want. */
const SIZES = [1, 2, 3, 3, 3, 4, 5, 5, 5]
/** Processes of removed nodes that are left running, to see that they do no harm. */
const OUTCASTS_RUNNING_MAX = 2
const ATTEMPTS_MAX = 40
const RETRY_MS_MAX = 300
/** How long one attempt is waited for; what has begun may still come to pass. */
const PATIENCE_MS = 4_000
/** After a power cut. */
const BACK_MS_MAX = 3_000

/**
 * Somebody who changes the members. It sits at the leader's machine and knows no more than the list of members that it is
 * given there: it wants so many voters and goes there step by step; then it wants another number, or the lead
 * elsewhere, or a machine burns down. What is refused or not answered is tried again.
 */
export class Operator {
  readonly #parts: OperatorParts
  #size: number
  #copy: { readonly id: NodeId; readonly disk: DiskCopy } | undefined
  #ending = false
  #idle = false
  readonly counts = { added: 0, promoted: 0, removed: 0, leadersRemoved: 0, burnt: 0, transferred: 0 }

  constructor(parts: OperatorParts) {
    this.#parts = parts
    this.#size = parts.random.pick(SIZES)
    void this.#work()
  }

  get idle(): boolean {
    return this.#idle
  }

  /** Begins nothing new. */
  finish(): void {
    this.#ending = true
  }

  /** When all is well: takes out who is dead, and puts a new node in the place of a living one. */
  async tidyUp(): Promise<void> {
    const { cluster, random, history } = this.#parts
    const { members } = await this.#look()
    for (const { id } of members) if (cluster.isGone(id)) await this.#pursue(this.#remove(id))
    const living = members.filter(({ id, isVoter }) => isVoter && !cluster.isGone(id))
    const newcomer = cluster.build()
    const victim = random.pick(living).id
    for (const aim of [this.#add(newcomer), this.#promote(newcomer), this.#remove(victim)])
      await this.#pursue(aim)
    const { members: after } = await this.#look()
    const isDone = after.some(({ id, isVoter }) => id === newcomer && isVoter)
    if (!isDone || after.some(({ id }) => id === victim || cluster.isGone(id)))
      history.broken('P10 availability: members change when all is well', { newcomer, victim, after })
  }

  async #work(): Promise<void> {
    const { random, pauseMs } = this.#parts
    while (!this.#ending) {
      await this.#pause(random.exponential(pauseMs))
      const list = await this.#list()
      const aim = this.#ending || list === undefined ? undefined : this.#choose(list)
      if (aim !== undefined) await this.#pursue(aim)
    }
    this.#idle = true
  }

  #choose({ leader, members, changing: isUnderWay }: MemberList): Aim | undefined {
    const { random, cluster, outcasts, asked } = this.#parts
    const changing = isUnderWay || asked.size > 0
    const ids = members.map(({ id }) => id)
    // To ask for another change is no use, but it must do no harm.
    if (changing && random.chance(0.3)) return undefined
    if (!changing) this.#clearAway(ids)
    const dead = ids.find((id) => cluster.isGone(id))
    if (dead !== undefined) return this.#remove(dead)
    const rolledBack = changing ? undefined : this.#rollBack()
    if (rolledBack !== undefined) return rolledBack
    const learner = members.find(({ isVoter }) => !isVoter)?.id
    if (learner !== undefined) {
      const isUnwanted = outcasts.has(learner) || random.chance(0.1)
      return isUnwanted ? this.#remove(learner) : this.#promote(learner)
    }
    if (ids.length < this.#size) return this.#add(this.#newcomer(ids))
    if (ids.length > this.#size) return this.#remove(random.chance(0.4) ? leader : random.pick(ids))
    this.#size = random.pick(SIZES)
    if (random.chance(0.3)) return this.#transfer(random.pick([NOBODY, ...ids]))
    const isExpendable = !changing && ids.length >= 3 && random.chance(0.7)
    if (!isExpendable) return undefined
    const victim = random.pick([leader, ...ids])
    return random.pick([this.#burn, this.#copyDisk, this.#copyDisk, this.#empty]).call(this, victim)
  }

  /** The others are a majority, whatever else happens to them: everything but their disks may fail. */
  #burn(id: NodeId): Aim {
    this.counts.burnt++
    this.#parts.cluster.scrap(id)
    return this.#remove(id)
  }

  /** It may be back before the others, which restart meanwhile, each in its time: so some know less than they did. */
  #empty(id: NodeId): Aim | undefined {
    const { cluster, world, random } = this.#parts
    if (!cluster.empty(id)) return undefined
    const restarting = random.chance(0.6) ? cluster.ids.filter((other) => other !== id) : []
    for (const other of restarting) cluster.crash(other)
    for (const each of [id, ...restarting])
      world.plan(random.between(0, BACK_MS_MAX), () => cluster.start(each))
    return this.#remove(id)
  }

  /** What its disk is now, it will be again at the next look. Returns that there is nothing to do meanwhile. */
  #copyDisk(id: NodeId): undefined {
    this.#copy = { id, disk: this.#parts.cluster.copyDisk(id) }
  }

  /** Puts back what was copied at the last look. As by a fire, all that the node has promised since is lost. */
  #rollBack(): Aim | undefined {
    const copy = this.#copy
    this.#copy = undefined
    const isDone = copy !== undefined && this.#parts.cluster.rollBack(copy.id, copy.disk)
    return isDone ? this.#remove(copy.id) : undefined
  }

  /** Machines whose nodes are no members any more. */
  #clearAway(members: readonly NodeId[]): void {
    const { cluster, outcasts, random } = this.#parts
    const running = cluster.ids.filter((id) => outcasts.has(id) && !members.includes(id))
    running.forEach((id, k) => {
      if (k < running.length - OUTCASTS_RUNNING_MAX || random.chance(0.1)) cluster.scrap(id)
    })
  }

  /** One that waits to be taken in already, or another. */
  #newcomer(members: readonly NodeId[]): NodeId {
    const { cluster, outcasts } = this.#parts
    return cluster.ids.find((id) => !members.includes(id) && !outcasts.has(id)) ?? cluster.build()
  }

  #add(node: NodeId): Aim {
    const addresses = { peer: peerAddressOf(node), client: addressOf(node) }
    return { what: 'added', node, act: (membership) => membership.add(node, addresses) }
  }

  #promote(node: NodeId): Aim {
    return { what: 'promoted', node, act: (membership) => membership.promote(node) }
  }

  #remove(node: NodeId): Aim {
    this.#parts.outcasts.add(node)
    return { what: 'removed', node, act: (membership) => membership.remove(node) }
  }

  #transfer(node: NodeId): Aim {
    return { what: 'transferred', node, act: (membership) => membership.transfer(node) }
  }

  async #pursue(aim: Aim): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX && this.#isWise(aim); attempt++) {
      const leader = this.#parts.cluster.elected
      this.#parts.asked.add(aim)
      const answer = await this.#ask(`${aim.what} ${aim.node}`, aim.act)
      this.#parts.asked.delete(aim)
      if (answer instanceof ChangeRefused) {
        if (answer.code === 'INVALID') return
      } else if (answer !== undefined) {
        this.counts[aim.what]++
        if (aim.what === 'removed' && aim.node === leader?.id) this.counts.leadersRemoved++
        return
      }
      await this.#pause(this.#parts.random.between(0, RETRY_MS_MAX))
    }
  }

  /** Other operators go on meanwhile. As long as the dead count, nobody else goes; and who has gone does not come back. */
  #isWise({ what, node }: Aim): boolean {
    const { cluster, outcasts } = this.#parts
    if (what === 'added' || what === 'promoted') return !outcasts.has(node) && !cluster.isGone(node)
    if (what !== 'removed' || cluster.isGone(node)) return true
    const status = cluster.elected?.replica.status
    return status === undefined || !membersOf(status.config).some((id) => cluster.isGone(id))
  }

  async #look(): Promise<MemberList> {
    for (;;) {
      const list = await this.#list()
      if (list?.changing === false) return list
      await this.#pause(RETRY_MS_MAX)
    }
  }

  async #list(): Promise<MemberList | undefined> {
    const answer = await this.#ask('list', (membership) => membership.list())
    return answer instanceof ChangeRefused ? undefined : answer?.value
  }

  /** Undefined: there is no leader to ask, or no answer. */
  #ask<T>(what: string, act: (membership: Membership) => Promise<T>): Promise<Answer<T>> {
    const { cluster, world, history, name } = this.#parts
    const leader = cluster.elected
    if (!leader?.process.awake) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const patience = world.plan(PATIENCE_MS, () => resolve(undefined))
      const settle = (answer: NonNullable<Answer<T>>): void => {
        patience.cancel()
        resolve(answer)
        history.note(name, `${what}: ${answer instanceof ChangeRefused ? answer.message : 'yes'}`)
      }
      act(leader.membership).then(
        (value) => settle({ value }),
        (error: unknown) => {
          if (error instanceof ChangeRefused) settle(error)
          else history.broken('operator: an error nobody should see', { what, error })
        },
      )
    })
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.world.plan(ms, resolve))
  }
}
