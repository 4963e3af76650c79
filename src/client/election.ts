import type { Claim } from '../protocol/lockkeeper.js'
import { type ClaimOptions, toAcquire } from './asking.js'
import type { Core } from './core.js'
import { type Follower, follow } from './follow.js'
import { type Held, HeldClaim, type ReleaseOutcome } from './held.js'
import { heldOf } from './waiting.js'
import type { ChangeSeen, WatchOptions } from './watch.js'

export interface CampaignOptions extends Omit<ClaimOptions, 'data'> {
  /** If this leader is lost, nobody leads for so long, in ms: time for what it had under way to end. */
  readonly lockDelayMs?: number
}

/** One who leads, or stands for it. */
export interface Candidate {
  /** To hand over to. Orders candidates by arrival. */
  readonly id: number
  /** What it campaigned with, or proclaimed since. */
  readonly value: string
  /** Its fencing token, if it leads; else 0. */
  readonly token: number
  readonly session: number
  readonly label: string
}

/** Who leads from here on. */
export interface LeaderSeen {
  readonly leader: Candidate | undefined
  /** Leaders between the one seen before and this one may have been missed: no node was reached for too long. */
  readonly gap: boolean
  /** To go on after this. */
  readonly revision: number
}

/** What its leader holds. `release()` and `resign()` are the same. */
export interface Leadership extends Held {
  /** By the clock, at this very moment: false before anyone else can lead. Before a write that matters, ask. */
  readonly isLeader: boolean
  /** Gives all who observe another value. */
  proclaim(value: string): Promise<void>
  /** The candidate that came first is next. */
  resign(): Promise<ReleaseOutcome>
  /**
   * This candidate leads next, whoever came before it. Rejects with a `RefusedError` `INVALID` if it is none any more; then
   * this one goes on leading.
   */
  handOver(to: Candidate | number): Promise<ReleaseOutcome>
}

/** One leads, the others stand in line: a lock whose holder says something that all can see. */
export class Election {
  readonly name: string
  readonly #core: Core

  constructor(core: Core, name: string) {
    this.#core = core
    this.name = name
  }

  /** Stands in line with a value, and resolves when it leads. Rejects as `keeper.lock()` does; it is then no candidate. */
  campaign(
    value: string,
    options: CampaignOptions & { readonly ifAvailable: true },
  ): Promise<Leadership | null>
  campaign(value: string, options?: CampaignOptions & { readonly ifAvailable?: false }): Promise<Leadership>
  campaign(value: string, options?: CampaignOptions): Promise<Leadership | null>
  async campaign(value: string, options: CampaignOptions = {}): Promise<Leadership | null> {
    const { lockDelayMs } = options
    const ask = toAcquire(this.name, { ...options, data: value }, { lockDelayMs })
    return heldOf(await this.#core.acquire(HeldLeadership, ask, options))
  }

  /** Those who stand in line, the next first. */
  async candidates(): Promise<Candidate[]> {
    const candidates: Candidate[] = []
    for await (const claim of this.#core.claims(this.name, 'waiters')) candidates.push(candidateIn(claim))
    return candidates
  }

  /** Who leads now, if anyone does. */
  async leader(): Promise<Candidate | undefined> {
    for await (const claim of this.#core.claims(this.name, 'holders')) return candidateIn(claim)
    return undefined
  }

  /**
   * Who leads, and then whoever leads next: every one, in order, until the loop is left; `undefined` while nobody does. It
   * goes on at another node when one fails. What it can't be sure of it says: see `gap`.
   */
  async *observe(options: WatchOptions = {}): AsyncGenerator<LeaderSeen, void, undefined> {
    /** Of who leads; undefined as long as that is the caller's to know. */
    let token: number | undefined
    for await (const seen of this.#core.watch(this.name, options)) {
      const { revision } = seen
      if (seen.kind === 'state') {
        const [holder] = seen.state.holders
        const leader = holder && candidateIn(holder)
        token = leader?.token ?? 0
        yield { leader, gap: seen.gap, revision }
      } else if (isOfLeader(seen)) {
        const isOver = seen.kind === 'left'
        if (isOver && token !== undefined && token !== seen.claim.token) continue
        token = isOver ? 0 : seen.claim.token
        yield { leader: isOver ? undefined : candidateIn(seen.claim), gap: false, revision }
      }
    }
  }

  /** The same by callback. Returns how to stop that. */
  onLeader(follower: Follower<LeaderSeen>, options: Omit<WatchOptions, 'signal'> = {}): () => void {
    return follow((signal) => this.observe({ ...options, signal }), follower)
  }
}

class HeldLeadership extends HeldClaim implements Leadership {
  get isLeader(): boolean {
    return this.isHeld
  }

  async proclaim(value: string): Promise<void> {
    await this.update(value)
  }

  resign(): Promise<ReleaseOutcome> {
    return this.release()
  }

  handOver(to: Candidate | number): Promise<ReleaseOutcome> {
    const heir = typeof to === 'number' ? to : to.id
    return this.giveUp({ heir, restMs: 0, result: undefined })
  }
}

/** Whether it concerns one who holds the name; who waits, and members, lead nothing. */
function isOfLeader({ claim }: ChangeSeen): boolean {
  return claim.token > 0 && claim.mode !== 'member'
}

function candidateIn({ id, data, token, session, sessionLabel, label }: Claim): Candidate {
  return { id, value: data, token, session, label: label === '' ? sessionLabel : label }
}
