/**
 * The same machine, deliberately dumb: arrays and linear scans, no queues, no agenda, no counts. The order of a queue
 * is the order of claims; who is granted is found by asking every claim, oldest first, whether an older one or a
 * holder is in its way.
 */
import type {
  Batch,
  Cancel,
  Command,
  Identify,
  MachineEvent,
  RefusalCode,
  RequestId,
} from '../../src/machine/command.js'

interface TwinSession {
  id: number
  key: number
  ttlMs: number
  deadline: number
}

interface TwinClaim {
  id: number
  session: TwinSession
  names: readonly string[]
  token: number | undefined
  deadline: number
}

interface TwinMember {
  id: number
  peer: string
  client: string
}

interface TwinAnswer {
  session: number
  slot: number
  seq: number
  answer: string
  claim: number | undefined
}

export class Twin {
  at = 0
  sessions: TwinSession[] = []
  claims: TwinClaim[] = []
  answers: TwinAnswer[] = []
  members: TwinMember[] = []
  disks: { node: number; disk: number }[] = []
  level = 0
  sessionIds = 0
  claimIds = 0
  tokens = 0
  events: string[] = []

  apply({ at, commands }: Batch): { verdicts: string[]; events: string[] } {
    this.at = at
    this.events = []
    this.expire()
    const verdicts = commands.map((command) => {
      const verdict = this.perform(command)
      this.grant()
      return verdict
    })
    return { verdicts, events: this.events }
  }

  expire(): void {
    const due = [
      ...this.sessions.map((session) => ({ at: session.deadline, rank: 0, id: session.id })),
      ...this.claims.map((claim) => ({ at: claim.deadline, rank: 1, id: claim.id })),
    ]
    due.sort((a, b) => a.at - b.at || a.rank - b.rank || a.id - b.id)
    for (const { at, rank, id } of due) {
      if (at > this.at) break
      if (rank === 0) this.end(this.sessions.find((session) => session.id === id)!, 'expired')
      else {
        const claim = this.claims.find((each) => each.id === id)
        if (claim !== undefined) this.refuse(claim, 'TIMEOUT')
      }
    }
    this.grant()
  }

  grant(): void {
    for (const claim of this.claims) {
      if (!this.isFree(claim)) continue
      claim.token = ++this.tokens
      claim.deadline = Number.POSITIVE_INFINITY
      this.decide(claim, `granted ${claim.id} token ${claim.token}`)
    }
  }

  isFree(claim: TwinClaim): boolean {
    if (claim.token !== undefined) return false
    const inTheWay = this.claims.filter((other) => other.token !== undefined || other.id < claim.id)
    return !inTheWay.some((other) => other.names.some((name) => claim.names.includes(name)))
  }

  perform(command: Command): string {
    if (command.op === 'unknown') return 'UNSUPPORTED'
    if (command.op === 'open') {
      let session = this.sessions.find((each) => each.key === command.key)
      if (session === undefined) {
        session = { id: ++this.sessionIds, key: command.key, ttlMs: command.ttlMs, deadline: 0 }
        this.sessions.push(session)
      }
      session.deadline = this.at + session.ttlMs
      return `opened ${session.id} ${session.ttlMs}`
    }
    if (command.op === 'describe' || command.op === 'forget') {
      this.members = this.members.filter(({ id }) => id !== command.node)
      if (command.op === 'forget') {
        this.disks = this.disks.filter(({ node }) => node !== command.node)
        return 'forgotten'
      }
      this.members.push({ id: command.node, peer: command.peer, client: command.client })
      return 'described'
    }
    if (command.op === 'raise') {
      this.level = Math.max(this.level, command.level)
      return 'raised'
    }
    if (command.op === 'identify') return this.identify(command)
    const session = this.sessions.find((each) => each.id === command.session)
    if (session === undefined)
      return command.session <= this.sessionIds ? 'SESSION_EXPIRED' : 'SESSION_UNKNOWN'
    if (session.key !== command.key) return 'SESSION_FOREIGN'
    if (command.op === 'keepAlive') {
      session.deadline = this.at + session.ttlMs
      return `renewed ${session.ttlMs}`
    }
    if (command.op === 'close') {
      this.end(session, 'closed')
      return 'closed'
    }
    const known = this.answers.find((each) => each.session === session.id && each.slot === command.slot)
    if (command.op === 'cancel') return this.cancel(command, known)
    if (known?.seq === command.seq) return known.answer
    if (known !== undefined && command.seq < known.seq) return 'STALE_REQUEST'
    if (known?.answer.startsWith('queued')) return 'INVALID'
    if (command.op !== 'acquire' && command.op !== 'release') return 'UNSUPPORTED'
    if (command.op === 'release') {
      const held = this.claims.find((claim) => claim.token === command.token && claim.session === session)
      this.claims = this.claims.filter((claim) => claim !== held)
      return this.remember(command, held === undefined ? 'NOT_HELD' : 'released', undefined)
    }
    const claim: TwinClaim = {
      id: ++this.claimIds,
      session,
      names: command.names,
      token: undefined,
      deadline: command.waitMs === undefined ? Number.POSITIVE_INFINITY : this.at + command.waitMs,
    }
    if (this.isFree(claim)) {
      claim.token = ++this.tokens
      claim.deadline = Number.POSITIVE_INFINITY
      this.claims.push(claim)
      return this.remember(command, `granted ${claim.id} token ${claim.token}`, claim.id)
    }
    if (command.waitMs === 0) return this.remember(command, 'TIMEOUT', undefined)
    this.claims.push(claim)
    return this.remember(command, `queued ${claim.id}`, claim.id)
  }

  identify({ node, disk }: Identify): string {
    if (this.level < 1) return 'UNSUPPORTED'
    const known = this.disks.find((each) => each.node === node)
    if (known === undefined) this.disks.push({ node, disk })
    return known === undefined || known.disk === disk ? 'identified' : 'INVALID'
  }

  cancel(command: Cancel, known: TwinAnswer | undefined): string {
    if (known === undefined || command.seq > known.seq) {
      if (known?.answer.startsWith('queued')) return 'INVALID'
      this.remember(command, 'CANCELLED', undefined)
      return 'cancelled'
    }
    if (command.seq < known.seq || known.claim === undefined) return 'cancelled'
    const claim = this.claims.find((each) => each.id === known.claim)
    if (known.answer.startsWith('queued')) this.refuse(claim!, 'CANCELLED')
    this.claims = this.claims.filter((each) => each !== claim)
    if (known.answer.startsWith('granted')) known.answer = 'CANCELLED'
    return 'cancelled'
  }

  remember({ session, slot, seq }: RequestId, answer: string, claim: number | undefined): string {
    this.answers = this.answers.filter((each) => each.session !== session || each.slot !== slot)
    this.answers.push({ session, slot, seq, answer, claim })
    return answer
  }

  refuse(claim: TwinClaim, code: RefusalCode): void {
    this.claims = this.claims.filter((each) => each !== claim)
    this.decide(claim, code)
  }

  decide(claim: TwinClaim, outcome: string): void {
    for (const each of this.answers) if (each.claim === claim.id) each.answer = outcome
    this.events.push(`claim ${claim.id}: ${outcome}`)
  }

  end(session: TwinSession, reason: string): void {
    for (const claim of this.claims.filter((each) => each.session === session)) {
      if (claim.token === undefined) this.refuse(claim, 'SESSION_EXPIRED')
    }
    this.claims = this.claims.filter((claim) => claim.session !== session)
    this.sessions = this.sessions.filter((each) => each !== session)
    this.events.push(`session ${session.id} ${reason}`)
  }
}

/** The event in the twin's words. */
export function inTwinWords(event: MachineEvent): string {
  if (event.kind === 'sessionEnded') return `session ${event.session} ${event.reason}`
  if (event.kind === 'noticed') return `session ${event.session} notice ${event.notice.token}`
  const { outcome } = event
  const came =
    outcome.kind === 'granted'
      ? `granted ${outcome.claim} token ${outcome.token}`
      : outcome.kind === 'refused'
        ? outcome.code
        : 'found'
  return `claim ${event.claim}: ${came}`
}
