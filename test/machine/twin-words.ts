/** What the machine says, in the twin's words. */
import type { Change } from '../../src/machine/changes.js'
import type { MachineEvent, Verdict } from '../../src/machine/language/command.js'
import type { Applied, Machine } from '../../src/machine/machine.js'
import type { TwinApplied } from './twin.js'

/** All that came of a batch. */
export function appliedInWords({ verdicts, events, changes }: Applied): TwinApplied {
  return {
    verdicts: verdicts.map(verdictInWords),
    events: events.map(eventInWords),
    changes: changes.map(changeInWords),
  }
}

export function verdictInWords(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'opened':
      return `opened ${verdict.session} ${verdict.ttlMs}`
    case 'renewed':
      return `renewed ${verdict.ttlMs}`
    case 'granted':
      return `granted ${verdict.claim} token ${verdict.token} seats ${(verdict.seats ?? []).join()}`
    case 'found':
      return `found ${verdict.token} '${verdict.data}'`
    case 'queued':
      return `queued ${verdict.claim}`
    case 'done':
      return `done ${verdict.count}`
    case 'refused':
      return verdict.code
    default:
      return verdict.kind
  }
}

function eventInWords(event: MachineEvent): string {
  if (event.kind === 'sessionEnded') return `session ${event.session} ${event.reason}`
  if (event.kind === 'decided') return `claim ${event.claim}: ${verdictInWords(event.outcome)}`
  const { kind, token, note } = event.notice
  return `session ${event.session} ${kind} ${token} '${note}'`
}

function changeInWords(change: Change): string {
  const { revision, kind, name, claim, session, token = 0, mode, data, reason, tookMs } = change
  return `${revision} ${kind} ${name}: ${claim.id} of ${session}, token ${token}, ${mode.kind} '${data}' ${reason} ${tookMs}`
}

export function interventionsInWords(machine: Machine): string[] {
  return machine.interventions.all.map(
    ({ kind, name, token, session, note, at }) => `${at} ${kind} ${name} ${token} by ${session}: ${note}`,
  )
}
