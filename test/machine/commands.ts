import { checkMachine } from '../../src/machine/inspection/invariants.js'
import {
  type Acquire,
  type Cancel,
  type Command,
  type Granted,
  NO_TERMS,
  type Release,
  type Terms,
  type Verdict,
} from '../../src/machine/language/command.js'
import { type Applied, Machine } from '../../src/machine/machine.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'

/** Short ways to write commands. By habit of these tests, session n was opened with key 100 + n. */
export const EXCLUSIVE = { kind: 'exclusive' } as const
export const SHARED = { kind: 'shared' } as const

export function open(key: number, ttlMs = 10_000): Command {
  return { op: 'open', key, ttlMs, label: `client ${key}` }
}

export function keepAlive(session: number, key = 100 + session): Command {
  return { op: 'keepAlive', session, key }
}

export function close(session: number, key = 100 + session): Command {
  return { op: 'close', session, key }
}

/** In slot 0 with seq 1, on the name `door`, for as long as the session lives. */
export function acquire(session: number, rest: Partial<Omit<Acquire, 'op'>> = {}): Acquire {
  const request = { session, key: 100 + session, slot: 0, seq: 1 }
  return {
    op: 'acquire',
    ...request,
    names: ['door'],
    mode: EXCLUSIVE,
    waitMs: undefined,
    label: '',
    ...rest,
  }
}

export function terms(rest: Partial<Terms>): Terms {
  return { ...NO_TERMS, ...rest }
}

/** In slot 1 with seq 1. */
export function release(session: number, token: number, rest: Partial<Omit<Release, 'op'>> = {}): Release {
  const request = { session, key: 100 + session, slot: 1, seq: 1 }
  return { op: 'release', ...request, token, ...rest }
}

export function cancel(session: number, rest: Partial<Omit<Cancel, 'op'>> = {}): Cancel {
  return { op: 'cancel', session, key: 100 + session, slot: 0, seq: 1, ...rest }
}

export function granted(claim: number, token: number): Granted {
  return { kind: 'granted', claim, token }
}

export function queued(claim: number): Verdict {
  return { kind: 'queued', claim }
}

/** The code of a refusal, or the kind of what else it is. */
export function outcome(verdict: Verdict | undefined): string {
  return verdict?.kind === 'refused' ? verdict.code : String(verdict?.kind)
}

/** A machine whose invariants are checked after every batch. */
export class CheckedMachine extends Machine {
  override apply(batch: { at: number; commands: readonly Command[] }): Applied {
    const applied = super.apply(batch)
    checkMachine(this)
    return applied
  }

  /** One command in a batch of its own, at the present time unless told. */
  do(command: Command, at = this.at): Verdict {
    return this.apply({ at, commands: [command] }).verdicts[0]!
  }

  /** Lets time pass until then, without a command. */
  pass(at: number): Applied {
    return this.apply({ at, commands: [] })
  }
}

/** A machine at 1000 ms with sessions 1 to `count`, each with a TTL of ten seconds. */
export function machineWith(count: number): CheckedMachine {
  const machine = new CheckedMachine()
  machine.apply({ at: 1_000, commands: Array.from({ length: count }, (_, i) => open(101 + i)) })
  return machine
}

/** The same, on the newest feature level, or another. */
export function newestMachineWith(count: number, level = FEATURE_LEVEL): CheckedMachine {
  const machine = machineWith(count)
  machine.do({ op: 'raise', level })
  return machine
}
