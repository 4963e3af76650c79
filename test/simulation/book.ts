import type { Change } from '../../src/machine/changes.js'
import type { Acquire, Command, Mode } from '../../src/machine/language/command.js'

/** Why a claim has gone. */
export type End = Exclude<Change['reason'], ''>

/** One claim as the log tells its life. */
export interface LoggedClaim {
  readonly id: number
  readonly session: number
  /** The request that it came with: see `requestKey`. */
  readonly request: string
  readonly names: readonly string[]
  readonly label: string
  readonly asked: Asked
  mode: Mode
  data: string
  /** Who has more goes before who has less. */
  precedence: number
  /** Its place in the order in which claims entered the log. */
  readonly order: number
  readonly waitUntil: number | undefined
  token: number | undefined
  seats: readonly number[]
  /** Holds since then, by the cluster's clock. */
  since: number
  holds: number
  /** How it went, once it is gone. */
  end: End | undefined
}

/** What a claim was asked with beyond its names and mode, as far as anything follows from it. */
export interface Asked {
  readonly owner: string
  readonly reentrant: boolean
  readonly steal: boolean
  readonly upgrades: number
  readonly lockDelayMs: number
  readonly minHoldMs: number
  readonly fingerprint: string | undefined
}

export interface LoggedSession {
  readonly id: number
  readonly ttlMs: number
  /** Cluster time at which it must end unless renewed. */
  deadline: number
  /** True time at which its newest renewal was first applied anywhere. */
  renewedAtMs: number
  readonly claims: Set<LoggedClaim>
  end: 'expired' | 'closed' | undefined
}

/** What there is of one name. */
export interface NameBook {
  readonly name: string
  /** In the order of their tokens. */
  readonly holders: Set<LoggedClaim>
  readonly members: Set<LoggedClaim>
  /** In the order in which they are to be granted. */
  readonly waiting: LoggedClaim[]
  /** Nothing is granted before. Cluster time; undefined: it does not rest. */
  restUntil: number | undefined
  /** Until somebody resumes it, or then. */
  suspension: { readonly until: number | undefined } | undefined
  result: LoggedResult | undefined
}

export interface LoggedResult {
  readonly token: number
  readonly fingerprint: string
  readonly data: string
  readonly until: number
}

const PLAIN: Asked = {
  owner: '',
  reentrant: false,
  steal: false,
  upgrades: 0,
  lockDelayMs: 0,
  minHoldMs: 0,
  fingerprint: undefined,
}
/** Above every priority: who upgrades, and heirs; and above them, who steals. */
const PRECEDENCE = { heir: 1_000, upgrade: 1_000, steal: Number.MAX_SAFE_INTEGER } as const

export function requestKey({ session, slot, seq }: { session: number; slot: number; seq: number }): string {
  return `${session}/${slot}/${seq}`
}

/** What the log says about one request that asks for a claim; it is in no queue yet. */
export function claimOf(command: Acquire, id: number, order: number, at: number): LoggedClaim {
  const { session, names, mode, label, waitMs, terms } = command
  const asked = terms ?? PLAIN
  const precedence = asked.steal
    ? PRECEDENCE.steal
    : asked.upgrades > 0
      ? PRECEDENCE.upgrade
      : (terms?.priority ?? 0)
  return {
    id,
    session,
    request: requestKey(command),
    names,
    label,
    asked,
    mode,
    data: terms?.data ?? '',
    precedence,
    order,
    waitUntil: waitMs === undefined ? undefined : at + waitMs,
    token: undefined,
    seats: [],
    since: at,
    holds: 1,
    end: undefined,
  }
}

/** What a name is used for; members are beside every use. */
export function useOf({ mode, asked }: Pick<LoggedClaim, 'mode' | 'asked'>): string {
  if (mode.kind === 'permits') return `permits of ${mode.of}`
  return asked.fingerprint === undefined ? 'lock' : `once ${asked.fingerprint}`
}

/** Before all whom their priority has brought where they are. */
export function isBeforeAll(claim: LoggedClaim | undefined): boolean {
  return claim !== undefined && claim.precedence >= PRECEDENCE.upgrade
}

/** Whether these are the same names, in whatever order. */
export function areSame(names: readonly string[], others: readonly string[]): boolean {
  return names.length === others.length && names.every((name) => others.includes(name))
}

export function goesBefore(a: LoggedClaim, b: LoggedClaim): boolean {
  return a.precedence === b.precedence ? a.order < b.order : a.precedence > b.precedence
}

/** Whoever was waiting for just any turn is next, also before an earlier heir. */
export function makeHeir(claim: LoggedClaim, names: Names): void {
  const first = claim.names.map((name) => names.of(name).waiting[0]!.precedence)
  claim.precedence = Math.max(PRECEDENCE.heir, ...first.map((precedence) => precedence + 1))
  for (const name of claim.names) {
    const { waiting } = names.of(name)
    remove(waiting, claim)
    stand(waiting, claim)
  }
}

export function stand(waiting: LoggedClaim[], claim: LoggedClaim): void {
  const place = waiting.findIndex((other) => goesBefore(claim, other))
  waiting.splice(place < 0 ? waiting.length : place, 0, claim)
}

export function remove<T>(list: T[], item: T): void {
  const place = list.indexOf(item)
  if (place >= 0) list.splice(place, 1)
}

export class Names {
  readonly #byName = new Map<string, NameBook>()

  /** Whether something remains that will be over by itself. */
  get areEnding(): boolean {
    return [...this.#byName.values()].some(
      ({ restUntil, suspension, result }) => (restUntil ?? suspension?.until ?? result?.until) !== undefined,
    )
  }

  values(): IterableIterator<NameBook> {
    return this.#byName.values()
  }

  of(name: string): NameBook {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const created: NameBook = {
      name,
      holders: new Set(),
      members: new Set(),
      waiting: [],
      restUntil: undefined,
      suspension: undefined,
      result: undefined,
    }
    this.#byName.set(name, created)
    return created
  }
}

/** Of one name: who holds it, and who waits, in order. */
export function nameState(tokens: readonly (number | undefined)[], waitingLabels: readonly string[]): string {
  return `held ${tokens.join()} waiting ${waitingLabels.join()}`
}

export function stateOf({ holders, waiting }: NameBook): string {
  const tokens = [...holders].map(({ token }) => token)
  const labels = waiting.map(({ label }) => label)
  return nameState(tokens, labels)
}

/** Commands that stand in a slot: all that a session asks for its claims, or does about a name. */
export type Request = Extract<Command, { readonly slot: number }>

export function isRequest(command: Command): command is Request {
  return 'slot' in command
}
