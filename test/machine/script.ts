/**
 * Golden stories: prose, a line of dashes, then steps. `at 1500` begins a batch; each line after it is a command of
 * somebody: `alice acquires orders/42 wait=500`. Lines that begin with `|` are what came of it, written by the machine:
 * verdicts with `=`, events with `!`. `look <name>` shows a queue as it is after the batch.
 *
 *     acquires NAME… [shared] [permits=2/5] [steal] [reentrant] [wait= owner= priority= upgrades= lockDelay= minHold= print= data= label=]
 *     joins NAME [data=]        releases token= [heir= rest= result= keep=]        updates token= data=        downgrades token=
 *     forces NAME [token=]      asks NAME [token=]      suspends NAME [for=]      resumes NAME      with note=; _ is a blank
 *
 * Requests take slot 0 and the next seq in it, unless the line says `slot=` or `seq=`; `again` as last word repeats
 * what went before in that slot, seq and all.
 */

import type { ClaimView } from '../../src/machine/inspection/views.js'
import {
  type Acquire,
  type Batch,
  type Command,
  type MachineEvent,
  type Mode,
  NO_TERMS,
  type Release,
  type RequestId,
  type Verdict,
} from '../../src/machine/language/command.js'
import { CheckedMachine, EXCLUSIVE } from './commands.js'

interface Actor {
  readonly key: number
  session: number
  /** The newest seq of each slot. */
  readonly seqs: Map<number, number>
}

class Options {
  readonly #values: ReadonlyMap<string, string>

  constructor(words: readonly string[]) {
    const pairs = words.filter((word) => word.includes('=')).map((word) => word.split('='))
    this.#values = new Map(pairs.map(([option, value]) => [option!, value!.replaceAll('_', ' ')]))
  }

  has(...options: readonly string[]): boolean {
    return options.some((option) => this.#values.has(option))
  }

  text(option: string): string {
    return this.#values.get(option) ?? ''
  }

  number(option: string): number | undefined {
    const value = this.#values.get(option)
    return value === undefined ? undefined : Number(value)
  }
}

interface Line {
  readonly actor: string
  readonly verb: string
  readonly words: readonly string[]
  readonly options: Options
}

export function playScript(text: string): string {
  const [prose, script] = text.split(/^---$/m)
  if (script === undefined) throw new Error('a story has prose, a line ---, and steps')
  const lines = script.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('|'))
  const stage = new Stage()
  const steps = lines.join('\n').split(/^(?=at )/m)
  return `${prose}---\n${steps.map((step) => stage.play(step.trim().split('\n'))).join('\n')}`
}

class Stage {
  readonly #machine = new CheckedMachine()
  readonly #actors = new Map<string, Actor>()

  play([head, ...body]: string[]): string {
    const at = Number(head!.replace('at ', ''))
    const said = body.filter((line) => !line.startsWith('look '))
    const lines = said.map(parse)
    const batch: Batch = { at, commands: lines.map((line) => this.#command(line)) }
    const { verdicts, events } = this.#machine.apply(batch)
    verdicts.forEach((verdict, i) => {
      if (verdict.kind === 'opened') this.#actor(lines[i]!.actor).session = verdict.session
    })
    const answered = said.flatMap((line, i) => [line, `| = ${inWords(verdicts[i]!)}`])
    const looks = body.filter((line) => line.startsWith('look '))
    const looked = looks.flatMap((line) => [line, `| ${this.#look(line.slice(5))}`])
    return `${[head, ...answered, ...events.map(eventInWords), ...looked].join('\n')}\n`
  }

  #actor(name: string): Actor {
    const known = this.#actors.get(name)
    if (known !== undefined) return known
    const actor = { key: this.#actors.size + 1, session: 0, seqs: new Map<number, number>() }
    this.#actors.set(name, actor)
    return actor
  }

  #command(line: Line): Command {
    const { key, session } = this.#actor(line.actor)
    switch (line.verb) {
      case 'opens':
        return { op: 'open', key, ttlMs: line.options.number('ttl') ?? 10_000, label: line.actor }
      case 'renews':
        return { op: 'keepAlive', session, key }
      case 'closes':
        return { op: 'close', session, key }
      case 'raises':
        return { op: 'raise', level: line.options.number('level')! }
      default:
        return requestOf(line, this.#request(line))
    }
  }

  #request({ actor, verb, words, options }: Line): RequestId {
    const { key, session, seqs } = this.#actor(actor)
    const slot = options.number('slot') ?? 0
    const newest = seqs.get(slot) ?? 0
    const isRepeat = words.includes('again') || verb === 'cancels'
    const seq = options.number('seq') ?? (isRepeat ? newest : newest + 1)
    seqs.set(slot, Math.max(seq, newest))
    return { session, key, slot, seq }
  }

  #look(name: string): string {
    const view = this.#machine.name(name)
    if (view === undefined) return 'nobody'
    const holders = view.holders.map(
      (claim) => `${claim.sessionLabel} with token ${claim.token}${more(claim)}`,
    )
    const waiters = view.waiters.map((claim) => claim.sessionLabel)
    const members = view.members.map((claim) => `${claim.sessionLabel} ${claim.token}${more(claim)}`)
    const { suspension, result } = view
    return [
      `held by ${holders.join(', ') || 'nobody'}; waiting: ${waiters.join(', ') || 'nobody'}`,
      ...(members.length === 0 ? [] : [`members: ${members.join(', ')}`]),
      ...(view.restUntil === undefined ? [] : [`rests until ${view.restUntil}`]),
      ...(suspension === undefined
        ? []
        : [`suspended until ${suspension.until ?? 'resumed'}: ${suspension.note}`]),
      ...(result === undefined
        ? []
        : [`result '${result.data}' of token ${result.token} until ${result.until}`]),
    ].join('; ')
  }
}

function more({ seats, data, holds, mode }: ClaimView): string {
  const several = [
    mode.kind === 'shared' ? 'shared' : '',
    seats.length > 0 ? `seats ${seats.join(' ')}` : '',
    data === '' ? '' : `'${data}'`,
    holds > 1 ? `held ${holds} times` : '',
  ].filter((each) => each !== '')
  return several.length === 0 ? '' : ` (${several.join(', ')})`
}

function requestOf({ verb, words, options }: Line, request: RequestId): Command {
  const token = options.number('token') ?? 0
  const name = words[0]!
  const note = options.text('note')
  switch (verb) {
    case 'cancels':
      return { op: 'cancel', ...request }
    case 'releases':
      return releaseOf(options, { ...request, token })
    case 'updates':
      return { op: 'update', ...request, token, data: options.text('data') }
    case 'downgrades':
      return { op: 'downgrade', ...request, token }
    case 'forces':
      return { op: 'forceRelease', ...request, name, token, note }
    case 'asks':
      return { op: 'requestRelease', ...request, name, token, note }
    case 'suspends':
      return { op: 'suspend', ...request, name, forMs: options.number('for'), note }
    case 'resumes':
      return { op: 'resume', ...request, name, note }
    case 'joins':
    case 'acquires':
      return acquireOf(verb, words, options, request)
    default:
      throw new Error(`nobody knows how to ${verb}`)
  }
}

function releaseOf(options: Options, request: RequestId & { token: number }): Release {
  if (!options.has('heir', 'rest', 'result')) return { op: 'release', ...request }
  const result = options.has('result')
    ? { data: options.text('result'), keepMs: options.number('keep')! }
    : undefined
  const succession = { heir: options.number('heir') ?? 0, restMs: options.number('rest') ?? 0, result }
  return { op: 'release', ...request, succession }
}

function acquireOf(verb: string, words: readonly string[], options: Options, request: RequestId): Acquire {
  const flags = ['again', 'shared', 'steal', 'reentrant']
  const terms = {
    data: options.text('data'),
    owner: options.text('owner'),
    reentrant: words.includes('reentrant'),
    priority: options.number('priority') ?? 0,
    steal: words.includes('steal'),
    upgrades: options.number('upgrades') ?? 0,
    lockDelayMs: options.number('lockDelay') ?? 0,
    minHoldMs: options.number('minHold') ?? 0,
    fingerprint: options.has('print') ? options.text('print') : undefined,
  }
  const isPlain = JSON.stringify(terms) === JSON.stringify(NO_TERMS)
  return {
    op: 'acquire',
    ...request,
    names: words.filter((word) => !flags.includes(word)),
    mode: modeOf(verb, words, options),
    waitMs: options.number('wait'),
    label: options.text('label'),
    ...(isPlain ? {} : { terms }),
  }
}

function modeOf(verb: string, words: readonly string[], options: Options): Mode {
  if (verb === 'joins') return { kind: 'member' }
  if (words.includes('shared')) return { kind: 'shared' }
  if (!options.has('permits')) return EXCLUSIVE
  const [permits, of] = options.text('permits').split('/').map(Number)
  return { kind: 'permits', permits: permits!, of: of! }
}

function parse(line: string): Line {
  const [actor, verb, ...rest] = line.trim().split(/\s+/)
  return {
    actor: actor!,
    verb: verb!,
    words: rest.filter((word) => !word.includes('=')),
    options: new Options(rest),
  }
}

function inWords(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'opened':
      return `opened session ${verdict.session}, ttl ${verdict.ttlMs}`
    case 'renewed':
      return `renewed, ttl ${verdict.ttlMs}`
    case 'granted':
      return `granted claim ${verdict.claim}, token ${verdict.token}${seatsInWords(verdict.seats)}`
    case 'queued':
      return `queued claim ${verdict.claim}`
    case 'refused':
      return `${verdict.code}: ${verdict.message}`
    case 'found':
      return `found '${verdict.data}', made under token ${verdict.token}`
    case 'done':
      return `done, ${verdict.count}`
    default:
      return verdict.kind
  }
}

function seatsInWords(seats: readonly number[] | undefined): string {
  return seats === undefined ? '' : `, seats ${seats.join(' ')}`
}

function eventInWords(event: MachineEvent): string {
  if (event.kind === 'sessionEnded') return `| ! session ${event.session} ${event.reason}`
  if (event.kind === 'noticed') {
    const { kind, token, note } = event.notice
    return `| ! session ${event.session} is told: token ${token} ${kind === 'lost' ? 'is lost' : 'is asked for'}: ${note}`
  }
  return `| ! claim ${event.claim} is decided: ${inWords(event.outcome)}`
}
