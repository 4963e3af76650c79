import type { MachineEvent, Verdict } from './language/command.js'

const HIGH_BITS = 0x1f_ffff

/**
 * A running hash of all that the machine ever said: two machines that differ in it have parted ways (fault 13). Two lanes
 * of 32 and 21 bits, each mixed as in MurmurHash3; it finds mistakes, not forgers.
 */
export class Digest {
  /** Of longer texts it counts this beginning and the length: a result that is found by thousands at once is 16 KiB. */
  textLengthMax = Number.POSITIVE_INFINITY
  #low: number
  #high: number

  /** Goes on from an earlier `value`. */
  constructor(value: number) {
    this.#low = value >>> 0
    this.#high = Math.floor(value / 2 ** 32)
  }

  /** A whole number below 2^53. */
  get value(): number {
    return this.#high * 2 ** 32 + this.#low
  }

  at(at: number): void {
    this.#mix(at)
  }

  verdict(verdict: Verdict): void {
    this.#lanes(verdict.kind.length)
    switch (verdict.kind) {
      case 'granted':
        this.#mix(verdict.token)
        for (const seat of verdict.seats ?? []) this.#mix(seat)
        break
      case 'found':
        this.#mix(verdict.token)
        this.#text(verdict.data)
        break
      case 'done':
        this.#mix(verdict.count)
        break
      case 'queued':
        this.#mix(verdict.claim)
        break
      case 'opened':
        this.#mix(verdict.session)
        break
      case 'refused':
        this.#text(verdict.code)
        break
      default:
        this.#text(verdict.kind)
    }
  }

  event(event: MachineEvent): void {
    if (event.kind === 'decided') {
      this.#mix(event.claim)
      this.verdict(event.outcome)
    } else if (event.kind === 'noticed') {
      this.#mix(event.session)
      this.#mix(event.notice.token)
      this.#text(event.notice.kind)
    } else {
      this.#mix(event.session)
      this.#text(event.reason)
    }
  }

  #text(text: string): void {
    const end = Math.min(text.length, this.textLengthMax)
    for (let i = 0; i < end; i++) this.#lanes(text.charCodeAt(i))
    if (end < text.length) this.#mix(text.length)
  }

  /** Both halves of a whole number. */
  #mix(n: number): void {
    this.#lanes(n)
    this.#lanes(Math.floor(n / 2 ** 32))
  }

  #lanes(word: number): void {
    this.#low = turned(this.#low, Math.imul(word, 0xcc9e2d51))
    this.#high = turned(this.#high, Math.imul(word ^ this.#low, 0x1b873593)) & HIGH_BITS
  }
}

function turned(lane: number, word: number): number {
  const mixed = lane ^ ((word << 15) | (word >>> 17))
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) >>> 0
}
