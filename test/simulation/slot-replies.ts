import type { Verdict } from '../../src/machine/language/command.js'
import { type Request, requestKey } from './book.js'

/** The feature level from which on every reply is remembered with its request. */
const REMEMBERED_SINCE = 4

/** What the requests of all slots came to, as the log tells it: a twin of what sessions remember, kept for ever. */
export class SlotReplies {
  /** By request: how the newest of each slot was answered, or decided since. */
  readonly #replies = new Map<string, Verdict>()
  readonly #newestSeq = new Map<string, number>()
  /** By request: what it asks for, if that is remembered. */
  readonly #payloads = new Map<string, string>()
  /** By slot: the greatest seq that was refused while the newest waited. */
  readonly #refusedSeq = new Map<string, number>()

  newestSeq(command: Request): number {
    return this.#newestSeq.get(slotKey(command)) ?? 0
  }

  /** Of the request with these numbers. */
  get(command: Request): Verdict | undefined {
    return this.#replies.get(requestKey(command))
  }

  set(command: Request, verdict: Verdict, level: number): void {
    const key = requestKey(command)
    this.#replies.set(key, verdict)
    this.#newestSeq.set(slotKey(command), command.seq)
    if (command.op !== 'cancel' && level >= REMEMBERED_SINCE) this.#payloads.set(key, payloadOf(command))
  }

  /** The claim of this request, which waited, has its outcome. */
  decide(request: string, verdict: Verdict): void {
    this.#replies.set(request, verdict)
  }

  /** Whether its slot waits; or did when it was refused before. */
  isBusy(command: Request, level: number): boolean {
    const seq = this.newestSeq(command)
    if (command.seq <= seq) return false
    const waits = this.get({ ...command, seq })?.kind === 'queued'
    const refused = this.#refusedSeq.get(slotKey(command)) ?? 0
    if (waits && level >= REMEMBERED_SINCE)
      this.#refusedSeq.set(slotKey(command), Math.max(refused, command.seq))
    return waits || command.seq <= refused
  }

  /** Whether the request that had its numbers first asked for something else. */
  isOther(command: Request): boolean {
    const payload = this.#payloads.get(requestKey(command))
    return payload !== undefined && payload !== payloadOf(command)
  }
}

function slotKey({ session, slot }: Request): string {
  return `${session}/${slot}`
}

function payloadOf({ session, key, slot, seq, ...asked }: Request): string {
  return JSON.stringify(asked)
}
