import type { MachineEvent, Notice } from '../../src/machine/language/command.js'
import type { Contradiction } from './ledger.js'

interface Expected {
  readonly session: number
  /** Without a note: with one of the machine's own words. */
  readonly notice: Omit<Notice, 'note'> & { readonly note: string | undefined }
}

/** What holders must know: that they lost a claim by force, that somebody asks for it. Just that, and to them. */
export class NoticeChecks {
  readonly #contradiction: Contradiction
  #expected: Expected[] = []

  constructor(contradiction: Contradiction) {
    this.#contradiction = contradiction
  }

  expect(expected: Expected): void {
    this.#expected.push(expected)
  }

  /** Of one entry. */
  check(events: readonly MachineEvent[]): void {
    for (const event of events) {
      if (event.kind !== 'noticed') continue
      const place = this.#expected.findIndex((expected) => isMeant(expected, event))
      if (place < 0) this.#contradiction('notices: told what is not so, or not to its holder', { event })
      else this.#expected.splice(place, 1)
    }
    if (this.#expected.length > 0)
      this.#contradiction('notices: a holder was not told', { expected: this.#expected })
  }
}

function isMeant({ session, notice }: Expected, event: Extract<MachineEvent, { kind: 'noticed' }>): boolean {
  const { kind, token, note } = event.notice
  const isNoted = notice.note === undefined ? note !== '' : note === notice.note
  return event.session === session && kind === notice.kind && token === notice.token && isNoted
}
