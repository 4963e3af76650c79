import { ChangeRefused } from '../membership/change-refused.js'
import type { Membership } from '../membership/membership.js'
import type * as wire from '../protocol/lockkeeper.js'
import type { Caller } from './calls.js'
import type { Door } from './door.js'
import { CALLER_LEFT, Refusal } from './refusal.js'

/** How long a call without a deadline waits. */
const PATIENCE_MS = 60_000
/** The part of the caller's time after which a refusal still reaches it. */
const PATIENCE_SHARE = 0.8

/** The calls for operators. Each rejects with a `Refusal`. */
export class Operations {
  readonly #door: Door
  readonly #membership: Membership

  constructor(door: Door) {
    this.#door = door
    this.#membership = door.parts.membership
  }

  async addMember(request: wire.AddMemberRequest, caller: Caller): Promise<wire.AddMemberResponse> {
    const { id, peerAddress: peer, clientAddress: client } = request
    await this.#within(caller, () => this.#membership.add(id, { peer, client }))
    return {}
  }

  async promoteMember(
    { id }: wire.PromoteMemberRequest,
    caller: Caller,
  ): Promise<wire.PromoteMemberResponse> {
    await this.#within(caller, () => this.#membership.promote(id))
    return {}
  }

  async removeMember({ id }: wire.RemoveMemberRequest, caller: Caller): Promise<wire.RemoveMemberResponse> {
    await this.#within(caller, () => this.#membership.remove(id))
    return {}
  }

  async transferLeadership(
    { to }: wire.TransferLeadershipRequest,
    caller: Caller,
  ): Promise<wire.TransferLeadershipResponse> {
    return { leader: await this.#within(caller, () => this.#membership.transfer(to)) }
  }

  async listMembers(_: wire.ListMembersRequest, caller: Caller): Promise<wire.ListMembersResponse> {
    const { leader, lastIndex, members, changing } = await this.#within(caller, () => this.#membership.list())
    return {
      clusterId: this.#door.parts.clusterId,
      leader,
      lastIndex,
      changing,
      members: members.map(({ id, peer, client, isVoter, match, connected }) => ({
        id,
        peerAddress: peer,
        clientAddress: client,
        voter: isVoter,
        matchIndex: match,
        connected,
      })),
    }
  }

  /** As long as the caller's deadline leaves time to say so. What has begun goes on without the caller. */
  #within<T>(caller: Caller, operate: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const over = (): void => {
        patience.cancel()
        leave()
      }
      const fail = (refusal: Refusal): void => {
        over()
        reject(refusal)
      }
      const leave = this.#door.enter(fail)
      const patienceMs = Math.max(0, Math.min(PATIENCE_MS, caller.remainingMs * PATIENCE_SHARE))
      const patience = this.#door.parts.clock.after(patienceMs, () => fail(notDoneYet(patienceMs)))
      caller.onGone(() => fail(CALLER_LEFT))
      operate().then(
        (answer) => {
          over()
          resolve(answer)
        },
        (error: unknown) => {
          over()
          reject(error instanceof ChangeRefused ? new Refusal(error.code, error.message) : error)
        },
      )
    })
  }
}

function notDoneYet(waitedMs: number): Refusal {
  const within = `within ${Math.round(waitedMs)} ms`
  return new Refusal(
    'TIMEOUT',
    `not committed ${within}, and still under way: see the list of members, and whether a majority of them runs`,
  )
}
