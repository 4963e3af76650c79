import { isDeepStrictEqual } from 'node:util'
import type { Mode } from '../../src/machine/language/command.js'
import type { LoggedClaim } from './book.js'
import type { Applied, Contradiction, Ledger } from './ledger.js'
import { isAgreed } from './right-of-way.js'

/** What came to pass with one claim in one name, as those who watch the name are to see it. */
export type Passage = Pick<
  Applied['changes'][number],
  'kind' | 'name' | 'claim' | 'session' | 'token' | 'data' | 'reason'
> & { readonly mode: Mode }

/**
 * The changes that the log tells of names: numbered without a gap; of every claim just what came to pass, in its order; and
 * whoever follows them never sees two holders together that do not agree.
 */
export class ChangeChecks {
  readonly #ledger: Ledger
  readonly #contradiction: Contradiction
  #revision = 0
  readonly #byName = new Map<string, Applied['changes'][number][]>()
  /** As one who has seen all changes knows them. */
  readonly #seen = new Map<string, Map<number, Mode>>()

  constructor(ledger: Ledger, contradiction: Contradiction) {
    this.#ledger = ledger
    this.#contradiction = contradiction
  }

  /** All there have been, in order. */
  of(name: string): readonly Applied['changes'][number][] {
    return this.#byName.get(name) ?? []
  }

  /** Of one entry. */
  check(expected: readonly Passage[], changes: Applied['changes']): void {
    const [told, due] = [byPlace(changes), byPlace(expected)]
    if (!isDeepStrictEqual(told, due))
      this.#contradiction('changes: not what came to pass', { told: [...told], due: [...due] })
    for (const change of changes) {
      if (change.revision !== ++this.#revision)
        this.#contradiction('changes: not numbered without a gap', { change, expected: this.#revision })
      if (change.at !== this.#ledger.at) this.#contradiction('changes: of another time', { change })
      this.#see(change)
      const known = this.#byName.get(change.name)
      if (known === undefined) this.#byName.set(change.name, [change])
      else known.push(change)
    }
  }

  #see({ kind, name, claim, mode }: Applied['changes'][number]): void {
    const holders = this.#seen.get(name) ?? new Map<number, Mode>()
    this.#seen.set(name, holders)
    if (kind === 'left') holders.delete(claim)
    else if (kind !== 'queued' && mode.kind !== 'member') holders.set(claim, mode)
    if (kind === 'granted') this.#checkTogether(name, claim, holders)
  }

  #checkTogether(name: string, granted: number, holders: ReadonlyMap<number, Mode>): void {
    const { upgrades } = this.#ledger.claims.get(granted)!.asked
    const seen = [...holders].map(([id, mode]): LoggedClaim => ({ ...this.#ledger.claims.get(id)!, mode }))
    if (!isAgreed(seen.filter(({ token }) => upgrades === 0 || token !== upgrades)))
      this.#contradiction('changes: whoever watches sees a conflict', {
        name,
        granted,
        holders: [...holders],
      })
  }
}

/** By name and claim. */
function byPlace(passages: readonly Passage[]): Map<string, Passage[]> {
  const places = new Map<string, Passage[]>()
  for (const { kind, name, claim, session, token, mode, data, reason } of passages) {
    const key = `${name} ${claim}`
    const known = places.get(key) ?? []
    places.set(key, [...known, { kind, name, claim, session, token, mode, data, reason }])
  }
  return places
}
