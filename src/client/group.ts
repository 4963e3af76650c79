import { type Claim, Mode } from '../protocol/lockkeeper.js'
import { type ClaimOptions, toAcquire } from './asking.js'
import type { Core } from './core.js'
import { type Follower, follow } from './follow.js'
import { type Held, HeldClaim, type ReleaseOutcome } from './held.js'
import { heldOf } from './waiting.js'
import type { ChangeSeen, WatchOptions } from './watch.js'

export type JoinOptions = Pick<ClaimOptions, 'label' | 'signal'>

export interface GroupMember {
  /** Its sequence number: greater than of all who joined before it. Also its fencing token. */
  readonly token: number
  readonly data: string
  readonly session: number
  readonly label: string
}

/** Who is there at first, then each change. */
export type MembersSeen = AllMembersSeen | MemberChange

export interface AllMembersSeen {
  readonly kind: 'members'
  /** In order of their tokens. */
  readonly members: readonly GroupMember[]
  /** Changes between what was seen before and this may have been missed: no node was reached for too long. */
  readonly gap: boolean
  /** To go on after this. */
  readonly revision: number
}

export interface MemberChange {
  readonly kind: 'joined' | 'updated' | 'left'
  /** As it is after the change. */
  readonly member: GroupMember
  /** Why it left: `released`, `expired`, `closed`, `cancelled` or `forced`. */
  readonly reason: string
  /** To go on after this. */
  readonly revision: number
}

/** What one has who joined. `release()` and `leave()` are the same. */
export interface Membership extends Held {
  /** Other data for all to see. */
  update(data: string): Promise<void>
  leave(): Promise<ReleaseOutcome>
}

/** Who is there, in order of arrival; whoever loses its session is there no more. Nobody is in another's way. */
export class Group {
  readonly name: string
  readonly #core: Core

  constructor(core: Core, name: string) {
    this.#core = core
    this.name = name
  }

  /** Joins at once, behind all who are there. The membership's `token` is its sequence number. */
  async join(data = '', options: JoinOptions = {}): Promise<Membership> {
    const { label = '', signal } = options
    const ask = toAcquire(this.name, { label, data }, { mode: Mode.MEMBER })
    return heldOf(await this.#core.acquire(HeldMembership, ask, signal === undefined ? {} : { signal }))!
  }

  /** All of them, in order. Read in pages: those who come and go meanwhile may be in it or not. */
  async members(): Promise<GroupMember[]> {
    const members: GroupMember[] = []
    for await (const claim of this.#core.claims(this.name, 'members')) members.push(memberIn(claim))
    return members
  }

  /** Those who joined before this token did and are still there, in order: if there is none, it is the first. */
  async ahead({ token }: { readonly token: number }): Promise<GroupMember[]> {
    const members: GroupMember[] = []
    for await (const claim of this.#core.claims(this.name, 'members')) {
      if (claim.token >= token) break
      members.push(memberIn(claim))
    }
    return members
  }

  /**
   * The members, and then each change, in order, until the loop is left; with `afterRevision` only the changes. It goes on at
   * another node when one fails.
   */
  async *watch(options: WatchOptions = {}): AsyncGenerator<MembersSeen, void, undefined> {
    /** Undefined as long as it is the caller's to know who was there. */
    let known: Set<number> | undefined
    for await (const seen of this.#core.watch(this.name, options)) {
      if (seen.kind === 'state') {
        const { state, gap, revision } = seen
        const members =
          state.members.length < state.joined ? await this.members() : state.members.map(memberIn)
        known = new Set(members.map(({ token }) => token))
        yield { kind: 'members', members, gap, revision }
      } else {
        const change = changeIn(seen)
        if (change !== undefined && isNews(change, known)) yield change
      }
    }
  }

  /** The same by callback. Returns how to stop that. */
  onChange(follower: Follower<MembersSeen>, options: Omit<WatchOptions, 'signal'> = {}): () => void {
    return follow((signal) => this.watch({ ...options, signal }), follower)
  }
}

class HeldMembership extends HeldClaim implements Membership {
  leave(): Promise<ReleaseOutcome> {
    return this.release()
  }
}

function changeIn({ kind, claim, reason, revision }: ChangeSeen): MemberChange | undefined {
  if (claim.mode !== 'member' || kind === 'queued') return undefined
  return { kind: kind === 'granted' ? 'joined' : kind, member: memberIn(claim), reason, revision }
}

/** A list that was read in pages may be newer than the changes that follow. */
function isNews({ kind, member: { token } }: MemberChange, known: Set<number> | undefined): boolean {
  if (known === undefined) return true
  if (kind === 'left') return known.delete(token)
  if (kind === 'updated') return known.has(token)
  const isNew = !known.has(token)
  known.add(token)
  return isNew
}

function memberIn({ token, data, session, sessionLabel, label }: Claim): GroupMember {
  return { token, data, session, label: label === '' ? sessionLabel : label }
}
