import type { Acquire, RefusalCode } from '../../src/machine/language/command.js'
import { areSame, claimOf, isBeforeAll, type LoggedClaim, type Request, useOf } from './book.js'
import type { Ledger } from './ledger.js'
import { obstacleTo } from './right-of-way.js'
import { WaitGraph } from './wait-graph.js'

/** Refusals of requests that never came to stand in their slot. */
export const NOT_OF_THE_SLOT: ReadonlySet<string> = new Set([
  'SESSION_EXPIRED',
  'SESSION_UNKNOWN',
  'SESSION_FOREIGN',
  'STALE_REQUEST',
  'UNSUPPORTED',
])

/** Of a refusal at once, before anything came of the request: the promise that it breaks; undefined if it is right. */
export function refusalProblem(command: Request, code: RefusalCode, ledger: Ledger): string | undefined {
  switch (code) {
    case 'TIMEOUT':
      return command.op === 'acquire' ? notFreeProblem(command, ledger) : UNASKED
    case 'DEADLOCK':
      return command.op === 'acquire' ? deadlockProblem(command, ledger) : UNASKED
    case 'CONFLICT':
      return command.op === 'acquire' ? conflictProblem(command, ledger) : UNASKED
    case 'NOT_HELD':
      return notHeldProblem(command, ledger)
    case 'INVALID':
      return invalidProblem(command, ledger)
    default:
      return `refused with ${code}, for no reason`
  }
}

const UNASKED = 'refused for what was not asked'

function notFreeProblem(command: Acquire, ledger: Ledger): string | undefined {
  if (command.waitMs !== 0) return 'P4 no lost wakeup: refused as not free though it may wait'
  const isFree = obstacleTo(wouldBe(command, ledger), ledger.names, ledger.at) === undefined
  return isFree ? 'P4 no lost wakeup: refused as not free though it is' : undefined
}

function deadlockProblem(command: Acquire, ledger: Ledger): string | undefined {
  const claim = wouldBe(command, ledger)
  if (claim.asked.upgrades > 0 && claim.names.some((name) => isBeforeAll(ledger.names.of(name).waiting[0])))
    return undefined
  const { stuck } = new WaitGraph(
    ledger.names,
    [...ledger.waiting, claim],
    (it) => obstacleTo(it, ledger.names, ledger.at) === undefined,
  )
  return stuck.size > 0 ? undefined : 'deadlock: a false alarm'
}

function conflictProblem(command: Acquire, ledger: Ledger): string | undefined {
  const claim = wouldBe(command, ledger)
  const isInTheWay = (name: string): boolean => {
    const { holders, waiting, result, suspension } = ledger.names.of(name)
    if (claim.asked.steal && suspension !== undefined) return true
    if (result !== undefined && result.fingerprint !== claim.asked.fingerprint) return true
    return [...holders, ...waiting].some((it) => useOf(it) !== useOf(claim))
  }
  return command.names.some(isInTheWay) ? undefined : 'one use: a conflict where there is none'
}

function notHeldProblem(command: Request, ledger: Ledger): string | undefined {
  if ('name' in command) {
    const { holders, members, suspension } = ledger.names.of(command.name)
    if (command.op === 'resume') return suspension === undefined ? undefined : 'suspension: can’t be resumed'
    if (!('token' in command)) return UNASKED
    const { token } = command
    const isHeld = token === 0 ? holders.size > 0 : [...holders, ...members].some((it) => it.token === token)
    return isHeld ? 'by force: refused though somebody holds' : undefined
  }
  if (!('token' in command)) return UNASKED
  const claim = ledger.byToken.get(command.token)
  const isHeld = claim?.session === command.session && claim.end === undefined
  return isHeld ? 'P8 durability: refused as not held though it is' : undefined
}

function invalidProblem(command: Request, ledger: Ledger): string | undefined {
  if (command.op === 'acquire') {
    const base = ledger.byToken.get(command.terms?.upgrades ?? 0)
    const isOwn = base?.session === command.session && base.end === undefined && base.mode.kind === 'shared'
    const isUpgradable = isOwn && base.holds === 1 && areSame(base.names, command.names)
    return isUpgradable ? 'upgrade: refused though it makes sense' : undefined
  }
  const claim = 'token' in command ? ledger.byToken.get(command.token) : undefined
  if (command.op === 'downgrade')
    return claim?.mode.kind === 'exclusive' && claim.asked.fingerprint === undefined
      ? 'downgrade: refused though it makes sense'
      : undefined
  if (command.op !== 'release') return UNASKED
  const { heir = 0, restMs = 0, result } = command.succession ?? {}
  if (restMs > 0 && claim?.mode.kind === 'member') return undefined
  if (result !== undefined && claim?.asked.fingerprint === undefined) return undefined
  const next = ledger.claims.get(heir)
  const isInLine = next !== undefined && ledger.waiting.has(next) && claim?.mode.kind === 'exclusive'
  const isHeir = isInLine && next.names.every((name) => claim?.names.includes(name))
  return isHeir ? 'heirs: refused though it waits for these names' : undefined
}

/** The claim that the request asks for, as the last to come. */
function wouldBe(command: Acquire, ledger: Ledger): LoggedClaim {
  return claimOf(command, 0, ledger.claims.size, ledger.at)
}
