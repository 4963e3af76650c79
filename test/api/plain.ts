/** What requests and states say beyond what a test is about. */

import { UNUSED } from '../../src/attachments/usage.js'
import { NO_TERMS } from '../../src/machine/language/command.js'
import { type Claim, Mode, type NameState, type Terms } from '../../src/protocol/lockkeeper.js'

/** A lock, waited for as long as the session lives; in a frame and in a call alike. */
export const PLAIN_CLAIM = {
  waitMs: undefined,
  label: '',
  mode: Mode.EXCLUSIVE,
  permits: 0,
  capacity: 0,
  terms: undefined,
} as const

export const PLAIN_RELEASE = { heir: 0, restMs: 0, result: undefined } as const

/** Nothing beyond its mode. */
export const PLAIN_TERMS: Terms = { ...NO_TERMS }

/** Of a claim that holds nothing yet. */
export const CLAIM_SHOWN: Claim = {
  id: 1,
  session: 0,
  sessionLabel: '',
  label: '',
  mode: 'exclusive',
  permits: 0,
  capacity: 0,
  seats: [],
  data: '',
  owner: '',
  priority: 0,
  holds: 1,
  token: 0,
  sinceMs: 0,
  ttlLeftMs: 0,
  names: [],
}

/** Of a name that nobody uses. */
export const NAME_SHOWN: NameState = {
  name: '',
  holders: [],
  holding: 0,
  waiters: [],
  waiting: 0,
  members: [],
  joined: 0,
  restMs: 0,
  suspension: undefined,
  kept: undefined,
  revision: 0,
  interventions: [],
  usage: UNUSED,
}
