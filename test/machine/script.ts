/**
 * Golden stories: prose, a line of dashes, then steps. `at 1500` begins a batch; each line after it is a command of
 * somebody: `alice acquires orders/42 wait=500`. Lines that begin with `|` are what came of it, written by the machine:
 * verdicts with `=`, events with `!`. `look <name>` shows a queue as it is after the batch.
 *
 * Requests take slot 0 and the next seq in it, unless the line says `slot=` or `seq=`; `again` as last word repeats
 * what went before in that slot, seq and all.
 */
import type { Batch, Command, MachineEvent, Verdict } from '../../src/machine/command.js'
import { CheckedMachine, EXCLUSIVE } from './commands.js'

interface Actor {
  readonly key: number
  session: number
  /** The newest seq of each slot. */
  readonly seqs: Map<number, number>
}

interface Line {
  readonly actor: string
  readonly verb: string
  readonly words: readonly string[]
  readonly options: ReadonlyMap<string, number>
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
        return { op: 'open', key, ttlMs: line.options.get('ttl') ?? 10_000, label: line.actor }
      case 'renews':
        return { op: 'keepAlive', session, key }
      case 'closes':
        return { op: 'close', session, key }
      default:
        return this.#request(line)
    }
  }

  #request({ actor, verb, words, options }: Line): Command {
    const { key, session, seqs } = this.#actor(actor)
    const slot = options.get('slot') ?? 0
    const newest = seqs.get(slot) ?? 0
    const isRepeat = words.includes('again') || verb === 'cancels'
    const seq = options.get('seq') ?? (isRepeat ? newest : newest + 1)
    seqs.set(slot, Math.max(seq, newest))
    const request = { session, key, slot, seq }
    if (verb === 'cancels') return { op: 'cancel', ...request }
    if (verb === 'releases') return { op: 'release', ...request, token: options.get('token')! }
    if (verb !== 'acquires') throw new Error(`nobody knows how to ${verb}`)
    const names = words.filter((word) => word !== 'again')
    return { op: 'acquire', ...request, names, mode: EXCLUSIVE, waitMs: options.get('wait'), label: '' }
  }

  #look(name: string): string {
    const view = this.#machine.name(name)
    if (view === undefined) return 'nobody'
    const holders = view.holders.map((claim) => `${claim.sessionLabel} with token ${claim.token}`)
    const waiters = view.waiters.map((claim) => claim.sessionLabel)
    return `held by ${holders.join(', ') || 'nobody'}; waiting: ${waiters.join(', ') || 'nobody'}`
  }
}

function parse(line: string): Line {
  const [actor, verb, ...rest] = line.trim().split(/\s+/)
  const options = rest.filter((word) => word.includes('=')).map((word) => word.split('=') as [string, string])
  return {
    actor: actor!,
    verb: verb!,
    words: rest.filter((word) => !word.includes('=')),
    options: new Map(options.map(([option, value]) => [option, Number(value)])),
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
