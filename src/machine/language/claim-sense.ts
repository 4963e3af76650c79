/** What makes no sense in a claim: modes that do not exist, and terms that contradict each other. */

import { isPlain } from '../roster/feature-level.js'
import type { Acquire, Mode, Refused, Terms } from './command.js'
import { checkData, checkInteger, checkText } from './fields.js'
import { LIMITS } from './limits.js'
import { refuse } from './refusals.js'

export function checkClaim(command: Acquire): Refused | undefined {
  if (isPlain(command)) return undefined
  const { mode, terms, names, waitMs } = command
  return (
    checkMode(mode, names.length) ??
    (mode.kind === 'member' && waitMs !== undefined
      ? refuse('INVALID', 'who joins a group does not wait; leave out waitMs')
      : undefined) ??
    (terms && checkTerms(terms, mode, names.length))
  )
}

function checkMode(mode: Mode, names: number): Refused | undefined {
  switch (mode?.kind) {
    case 'exclusive':
    case 'shared':
      return undefined
    case 'permits':
      return (
        checkInteger('capacity', mode.of, 1, LIMITS.capacityMax) ??
        checkInteger('permits', mode.permits, 1, Math.min(mode.of, LIMITS.permitsPerClaimMax)) ??
        (names === 1 ? undefined : refuse('INVALID', 'a claim for permits is on one name; make one for each'))
      )
    case 'member':
      return names === 1 ? undefined : refuse('INVALID', 'a group has one name; join each on its own')
    default:
      return refuse('UNSUPPORTED', 'this version does not know that mode; upgrade all nodes')
  }
}

function checkTerms(terms: Terms, mode: Mode, names: number): Refused | undefined {
  return checkValues(terms) ?? contradiction(mode, terms, names)
}

function checkValues(terms: Terms): Refused | undefined {
  return (
    checkData(terms.data) ??
    checkText('an owner', terms.owner, LIMITS.labelBytesMax) ??
    checkInteger('priority', terms.priority, 0, LIMITS.priorityMax) ??
    checkInteger('upgrades', terms.upgrades, 0, Number.MAX_SAFE_INTEGER) ??
    checkInteger('lockDelayMs', terms.lockDelayMs, 0, LIMITS.remainMsMax) ??
    checkInteger('minHoldMs', terms.minHoldMs, 0, LIMITS.remainMsMax) ??
    (terms.fingerprint === undefined
      ? undefined
      : checkText('a fingerprint', terms.fingerprint, LIMITS.labelBytesMax)) ??
    (typeof terms.reentrant === 'boolean' && typeof terms.steal === 'boolean'
      ? undefined
      : refuse('INVALID', 'reentrant and steal are true or false'))
  )
}

function contradiction({ kind }: Mode, terms: Terms, names: number): Refused | undefined {
  const isOnce = terms.fingerprint !== undefined
  const isUpgrade = terms.upgrades > 0
  const isMember = kind === 'member'
  const rests = terms.lockDelayMs > 0 || terms.minHoldMs > 0
  const rules: readonly (readonly [isBroken: boolean, message: string])[] = [
    [terms.reentrant && terms.owner === '', 'reentrant needs an owner; say whose task it is'],
    [terms.reentrant && kind !== 'exclusive' && kind !== 'shared', 'only a lock is reentrant'],
    [terms.reentrant && (terms.steal || isUpgrade || isOnce), 'reentrant goes with a plain acquire only'],
    [terms.steal && kind !== 'exclusive', 'only an exclusive claim steals'],
    [isUpgrade && kind !== 'exclusive', 'a shared claim is upgraded by an exclusive one'],
    [isUpgrade && terms.steal, 'to upgrade and to steal are two things; do one'],
    [isOnce && (kind !== 'exclusive' || names > 1), 'work that is done once has one name, exclusively'],
    [isOnce && (terms.steal || isUpgrade), 'work that is done once is neither stolen nor upgraded'],
    [isMember && (terms.priority > 0 || rests), 'who joins a group has no priority, and leaves no rest'],
    [isMember && terms.owner !== '', 'a member waits for nobody; leave out the owner'],
  ]
  const broken = rules.find(([isBroken]) => isBroken)
  return broken && refuse('INVALID', broken[1])
}
