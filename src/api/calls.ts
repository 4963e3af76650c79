import type { Command } from '../machine/language/command.js'
import { checkCommand } from '../machine/language/validate.js'
import type * as wire from '../protocol/lockkeeper.js'
import { Asked, type Final } from './asked.js'
import type { Door } from './door.js'
import { CALLER_LEFT, noLeader, Refusal } from './refusal.js'
import { submit } from './submit.js'
import { acquireOf, releaseOf, suspendOf } from './translate.js'

/** One unary call, as far as its caller is concerned. */
export interface Caller {
  /** Those of one connection share what is done for them in a turn. */
  readonly connection: unknown
  /** Until the caller's own deadline; infinite if there is none. */
  readonly remainingMs: number
  /** `action` is called once if the caller leaves before it is answered. */
  onGone(action: () => void): void
}

/** How long a call without a deadline waits for a leader. */
const PATIENCE_MS = 10_000
/** The part of the caller's time after which a refusal still reaches it. */
const PATIENCE_SHARE = 0.8

/** The calls that change something, for clients in any language. Each rejects with a `Refusal`. */
export class Calls {
  readonly #door: Door
  readonly #randomKey: () => number

  /** `randomKey` gives secrets from 1 to 2^53 - 1. */
  constructor(door: Door, randomKey: () => number) {
    this.#door = door
    this.#randomKey = randomKey
  }

  async openSession(request: wire.OpenSessionRequest, caller: Caller): Promise<wire.OpenSessionResponse> {
    const { ttlMs, label } = request
    const key = request.key === 0 ? this.#randomKey() : request.key
    const { session, ttlMs: given } = await this.#ask({ op: 'open', key, ttlMs, label }, 'opened', caller)
    return { session: { id: session, key }, ttlMs: given }
  }

  async keepAlive({ session }: wire.KeepAliveRequest, caller: Caller): Promise<wire.KeepAliveResponse> {
    const { ttlMs } = await this.#ask({ op: 'keepAlive', ...speaker(session) }, 'renewed', caller)
    return { ttlMs }
  }

  async closeSession(
    { session }: wire.CloseSessionRequest,
    caller: Caller,
  ): Promise<wire.CloseSessionResponse> {
    await this.#ask({ op: 'close', ...speaker(session) }, 'closed', caller)
    return {}
  }

  async acquire(request: wire.AcquireRequest, caller: Caller): Promise<wire.AcquireResponse> {
    const final = await this.#final(acquireOf(numbers(request), request), caller)
    if (final.kind === 'found')
      return { token: 0, seats: [], found: { token: final.token, data: final.data } }
    const { token, seats = [] } = expected(final, 'granted')
    return { token, seats: [...seats], found: undefined }
  }

  async release(request: wire.ReleaseRequest, caller: Caller): Promise<wire.ReleaseResponse> {
    await this.#ask(releaseOf(numbers(request), request), 'released', caller)
    return {}
  }

  async cancel(request: wire.CancelRequest, caller: Caller): Promise<wire.CancelResponse> {
    await this.#ask({ op: 'cancel', ...numbers(request) }, 'cancelled', caller)
    return {}
  }

  async update(request: wire.UpdateRequest, caller: Caller): Promise<wire.UpdateResponse> {
    const { token, data } = request
    await this.#ask({ op: 'update', ...numbers(request), token, data }, 'done', caller)
    return {}
  }

  async downgrade(request: wire.DowngradeRequest, caller: Caller): Promise<wire.DowngradeResponse> {
    const { token } = request
    await this.#ask({ op: 'downgrade', ...numbers(request), token }, 'done', caller)
    return {}
  }

  async forceRelease(request: wire.ForceReleaseRequest, caller: Caller): Promise<wire.ForceReleaseResponse> {
    const { name, token, note } = request
    const command: Command = { op: 'forceRelease', ...numbers(request), name, token, note }
    const { count } = await this.#ask(command, 'done', caller)
    return { count }
  }

  async requestRelease(
    request: wire.RequestReleaseRequest,
    caller: Caller,
  ): Promise<wire.RequestReleaseResponse> {
    const { name, token, note } = request
    const command: Command = { op: 'requestRelease', ...numbers(request), name, token, note }
    const { count } = await this.#ask(command, 'done', caller)
    return { count }
  }

  async suspend(request: wire.SuspendRequest, caller: Caller): Promise<wire.SuspendResponse> {
    const { count } = await this.#ask(suspendOf(numbers(request), request), 'done', caller)
    return { count }
  }

  async resume(request: wire.ResumeRequest, caller: Caller): Promise<wire.ResumeResponse> {
    const { name, note } = request
    await this.#ask({ op: 'resume', ...numbers(request), name, note }, 'done', caller)
    return {}
  }

  async #ask<K extends Final['kind']>(
    command: Command,
    kind: K,
    caller: Caller,
  ): Promise<Extract<Final, { kind: K }>> {
    return expected(await this.#final(command, caller), kind)
  }

  async #final(command: Command, caller: Caller): Promise<Final> {
    return checkCommand(command) ?? (await this.#propose(command, caller))
  }

  /** Waits for the log as long as the caller's deadline leaves time to say so, and for the queue as long as it takes. */
  #propose(command: Command, caller: Caller): Promise<Final> {
    const { parts } = this.#door
    const { attachments, clock, workQueue } = parts
    return new Promise((resolve, reject) => {
      const over = (): void => {
        patience.cancel()
        leave()
      }
      const fail = (refusal: Refusal): void => {
        over()
        asker.isGone = true
        asked.leave()
        reject(refusal)
      }
      const asker = {
        isGone: false,
        onQueued: () => patience.cancel(),
        onFinal: (_: Asked, final: Final): void => {
          patience.cancel()
          workQueue.add(caller.connection, () => {
            over()
            resolve(final)
            return false
          })
        },
      }
      const asked = new Asked(attachments, asker)
      const leave = this.#door.enter(fail)
      const patienceMs = Math.max(0, Math.min(PATIENCE_MS, caller.remainingMs * PATIENCE_SHARE))
      const patience = clock.after(patienceMs, () => fail(noLeader(patienceMs)))
      caller.onGone(() => fail(CALLER_LEFT))
      const refusal = submit(parts, command, asked)
      if (refusal !== undefined) fail(refusal)
    })
  }
}

function expected<K extends Final['kind']>(final: Final, kind: K): Extract<Final, { kind: K }> {
  if (final.kind === kind) return final as Extract<Final, { kind: K }>
  if (final.kind === 'refused') throw new Refusal(final.code, final.message)
  throw new Refusal('STALE_REQUEST', 'another request had this slot and seq; use the next seq')
}

function speaker(session: wire.Session | undefined): { session: number; key: number } {
  return { session: session?.id ?? 0, key: session?.key ?? 0 }
}

function numbers(request: { session: wire.Session | undefined; slot: number; seq: number }) {
  return { ...speaker(request.session), slot: request.slot, seq: request.seq }
}
