import type {
  Answer,
  Hello,
  Notice,
  Request,
  ServerFrame,
  Topology,
  Welcome,
} from '../protocol/lockkeeper.js'
import { backoffMs } from './backoff.js'
import { RefusedError, UnreachableError } from './errors.js'
import { Outbox } from './outbox.js'
import type { Link, Ports, Problem, Timer } from './ports.js'
import type { Route } from './route.js'

/** Whose stream this is. It may stop the stream from within any of these. */
export interface StreamOwner {
  /** The first frame to a node, made at the moment it is sent. */
  hello(): Hello
  /** Attached. Whatever was sent before and not answered must be sent again. */
  welcomed(welcome: Welcome, helloSentMs: number): void
  /** No node is attached now; the search for one has begun. */
  detached(address: string, problem: Problem): void
  answered(answers: readonly Answer[]): void
  noticed(notices: readonly Notice[]): void
  /** A node refused the hello, or ended the stream with a refusal. */
  refused(refusal: RefusedError): void
  sessionEnded(reason: string): void
}

interface Dialled {
  readonly link: Link
  readonly address: string
  readonly sentMs: number
}

interface Candidate extends Dialled {
  readonly giveUp: Timer
  /** Sought because the present node said nothing. */
  readonly inPlaceOfSilent: boolean
}

interface Attached extends Dialled {
  readonly nodeId: number
  readonly sinceMs: number
}

/** A stream that lived this long was a good one: the next attempt need not wait for those before it. */
const STEADY_MS = 1_000
const REDIAL_FIRST_MS = 20
const REDIAL_MAX_MS = 500
const MOVE_FIRST_MS = 50
const MOVE_MAX_MS = 10_000
/** How long a node may know no leader before another node is asked. An election takes less. */
const LEADERLESS_MS = 1_000

/**
 * Keeps one session attached to some node, by preference the leader. A new node is greeted while the old one still
 * serves, and the old one is left when the new one has answered: a move interrupts nothing.
 *
 * Moves cannot go in circles: a leader that could not be reached is not tried again until another is named, and each
 * move waits longer than the one before it, until a stay of ten seconds.
 */
export class Stream {
  readonly #ports: Ports
  readonly #route: Route
  readonly #owner: StreamOwner
  readonly #attemptMs: number
  readonly #outbox: Outbox
  #attached: Attached | undefined
  #candidate: Candidate | undefined
  #redial: Timer | undefined
  #move: Timer | undefined
  #failures = 0
  #moves = 0
  /** The leader we set out for last and have not been welcomed by. */
  #missedLeader = 0
  #stopped = false

  /** @param attemptMs how long a node may take to say Welcome */
  constructor(ports: Ports, route: Route, owner: StreamOwner, attemptMs: number) {
    this.#ports = ports
    this.#route = route
    this.#owner = owner
    this.#attemptMs = attemptMs
    this.#outbox = new Outbox(ports.clock, (frame) => this.#attached?.link.send(frame))
  }

  get address(): string | undefined {
    return this.#attached?.address
  }

  get nodeId(): number | undefined {
    return this.#attached?.nodeId
  }

  /** Sends at the end of this turn, if attached. Returns whether it is attached. */
  send(request: Request): boolean {
    if (this.#attached === undefined) return false
    this.#outbox.push(request)
    return true
  }

  /** Looks for another node, keeping the present one until then. Harmless if that is under way. */
  seek(inPlaceOfSilent = false): void {
    if (this.#stopped || this.#candidate !== undefined || this.#redial !== undefined) return
    this.#dial(this.#route.next(this.#attached?.address), inPlaceOfSilent)
  }

  /**
   * The present node is not silent after all: whoever is sought in its place is let go. To move would send again what is
   * about to be answered, and a slow cluster would be made slower by all who find it slow.
   */
  stay(): void {
    if (this.#attached !== undefined && this.#candidate?.inPlaceOfSilent) this.#abandonCandidate()
  }

  /** Leaves the present node as if its stream had broken. */
  drop(problem: Problem): void {
    if (this.#attached !== undefined) this.#broken(this.#attached, problem)
  }

  stop(): void {
    this.#stopped = true
    this.#redial?.cancel()
    this.#move?.cancel()
    this.#outbox.clear()
    this.#abandonCandidate()
    this.#attached?.link.close()
    this.#attached = undefined
  }

  #dial(address: string, inPlaceOfSilent = false): void {
    this.#route.asking(address)
    const sentMs = this.#ports.clock.nowMs()
    const link = this.#ports.connector.attach(address, {
      onFrame: (frame) => this.#received(dialled, frame),
      onClosed: (problem) => this.#closed(dialled, problem),
    })
    const giveUp = this.#ports.clock.after(this.#attemptMs, () => {
      link.close()
      this.#closed(dialled, new UnreachableError(`no welcome within ${Math.round(this.#attemptMs)} ms`))
    })
    const dialled: Candidate = { link, address, sentMs, giveUp, inPlaceOfSilent }
    this.#candidate = dialled
    link.send({ hello: this.#owner.hello(), requests: [] })
  }

  #received(from: Dialled, frame: ServerFrame): void {
    if (from === this.#candidate && frame.welcome !== undefined) this.#adopt(this.#candidate, frame.welcome)
    if (from.link !== this.#attached?.link) return
    if (frame.sessionEnded !== undefined) this.#owner.sessionEnded(frame.sessionEnded.reason)
    if (frame.answers.length > 0 && !this.#stopped) this.#owner.answered(frame.answers)
    if (frame.notices.length > 0 && !this.#stopped) this.#owner.noticed(frame.notices)
    if (frame.topology !== undefined && !this.#stopped) this.#heed(frame.topology)
  }

  #adopt({ link, address, sentMs, giveUp }: Candidate, welcome: Welcome): void {
    giveUp.cancel()
    this.#candidate = undefined
    this.#attached?.link.close()
    this.#outbox.clear()
    this.#attached = { link, address, sentMs, nodeId: welcome.nodeId, sinceMs: this.#ports.clock.nowMs() }
    this.#route.reached(address)
    if (welcome.nodeId === this.#missedLeader) this.#missedLeader = 0
    this.#owner.welcomed(welcome, sentMs)
    if (welcome.topology !== undefined && this.#attached?.link === link) this.#heed(welcome.topology)
  }

  #closed(from: Dialled, problem: Problem): void {
    if (from === this.#candidate) {
      this.#abandonCandidate()
      this.#failed(from.address, problem)
    } else if (this.#attached?.link === from.link) {
      this.#broken(this.#attached, problem)
    }
  }

  #broken(attached: Attached, problem: Problem): void {
    if (this.#ports.clock.nowMs() - attached.sinceMs >= STEADY_MS) this.#failures = 0
    attached.link.close()
    this.#attached = undefined
    this.#move?.cancel()
    this.#outbox.clear()
    this.#owner.detached(attached.address, problem)
    this.#failed(attached.address, problem)
  }

  #failed(address: string, problem: Problem): void {
    if (this.#stopped) return
    this.#route.failed(address, problem)
    if (problem instanceof RefusedError) this.#owner.refused(problem)
    if (this.#stopped || this.#attached !== undefined || this.#candidate !== undefined) return
    const pauseMs = backoffMs(this.#failures++, REDIAL_FIRST_MS, REDIAL_MAX_MS, this.#ports.random)
    this.#redial = this.#ports.clock.after(pauseMs, () => {
      this.#redial = undefined
      this.seek()
    })
  }

  /** Prefers the leader; and leaves a node that knows none for too long, for it may be cut off from its cluster. */
  #heed(topology: Topology): void {
    this.#route.learn(topology)
    this.#move?.cancel()
    const { leader } = topology
    if (leader === 0 || leader === this.#attached?.nodeId) this.#missedLeader = 0
    if (leader === this.#attached?.nodeId) return
    if (leader === 0) this.#planMove(LEADERLESS_MS, () => this.#leaveLeaderless(topology))
    else if (leader !== this.#missedLeader) this.#planMove(this.#movePauseMs(), () => this.#moveTo(leader))
  }

  #planMove(delayMs: number, action: () => void): void {
    this.#move = this.#ports.clock.after(delayMs, action)
  }

  #movePauseMs(): number {
    const attachedMs = this.#ports.clock.nowMs() - (this.#attached?.sinceMs ?? 0)
    if (attachedMs >= MOVE_MAX_MS) this.#moves = 0
    return backoffMs(this.#moves, MOVE_FIRST_MS, MOVE_MAX_MS, this.#ports.random)
  }

  #moveTo(leader: number): void {
    const address = this.#route.leaderAddress
    if (address === undefined || this.#candidate !== undefined) return
    this.#moves++
    this.#missedLeader = leader
    this.#dial(address)
  }

  #leaveLeaderless(topology: Topology): void {
    this.seek()
    this.#planMove(LEADERLESS_MS, () => this.#leaveLeaderless(topology))
  }

  #abandonCandidate(): void {
    this.#candidate?.giveUp.cancel()
    this.#candidate?.link.close()
    this.#candidate = undefined
  }
}
