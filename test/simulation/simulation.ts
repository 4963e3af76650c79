import type { NodeId } from '../../raft/index.js'
import type { Batch } from '../../src/machine/language/command.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import type { PeerItem } from '../../src/replica/ports.js'
import { MemoryDisk, type MemoryDiskOptions } from '../suites/memory-disk.js'
import { UnaryCaller } from './caller.js'
import { Client } from './client.js'
import { ClientChecks } from './client-checks.js'
import { addressOf, ClientNetwork } from './client-network.js'
import { Cluster } from './cluster.js'
import { Faults } from './faults.js'
import { type Breach, History } from './history.js'
import { type Applied, Ledger } from './ledger.js'
import {
  type Calm,
  checkDueInTime,
  checkLiveTime,
  checkNotEarlyInTrueTime,
  checkNotLate,
  checkSame,
  type Stamped,
} from './log-checks.js'
import { describeMachine, MachineChecks } from './machine-checks.js'
import type { Node } from './node.js'
import { Observer } from './observer.js'
import { type Aim, Operator } from './operator.js'
import { Participant } from './participant.js'
import { Paths, type Weather } from './paths.js'
import { PeerNetwork } from './peer-network.js'
import { DRIFT_MAX, Process } from './process.js'
import { Random } from './random.js'
import { drawScenario, type Scenario } from './scenario.js'
import { PARTICIPANTS_NAMES, story } from './stories.js'
import { World } from './world.js'

/** Where a test may put a defect, to see that it is found. */
export interface Seams {
  readonly createDisk: (options: MemoryDiskOptions) => MemoryDisk
  readonly tamper: (item: PeerItem) => PeerItem
  /** Of the machines that clients run on. */
  readonly clientClockRate: (random: Random) => number
}

export interface SimulationOptions {
  readonly seed: number
  /** How long there is trouble, in ms of simulated time; what follows takes about as long again. */
  readonly troubleMs: number
  readonly print?: (line: string) => void
  readonly seams?: Partial<Seams>
}

export interface Result {
  readonly seed: number
  readonly hash: string
  readonly breach: Breach | undefined
  readonly simulatedMs: number
  /** What came to pass, to see that the simulation is not idle. */
  readonly counts: Readonly<Record<string, number>>
}

const INTEGRITY: Seams = {
  createDisk: (options) => new MemoryDisk(options),
  tamper: (item) => item,
  clientClockRate: (random) => 1 + random.between(-DRIFT_MAX, DRIFT_MAX),
}

const PARTICIPANT_HOLD_MS = 30
const FAIR: Weather = { latencyMs: 1, slowShare: 0 }
/** Between two looks at all of every node. */
const INVARIANTS_EVERY_MS = 500
/** Once all faults are undone. */
const LEADER_WITHIN_MS = 10_000
/** What operators have begun is done or given up. */
const OPERATORS_DONE_WITHIN_MS = 30_000
const TIDIED_UP_WITHIN_MS = 20_000
/** Connections are made again, and what is left of the trouble ends. */
const SETTLING_MS = 3_000
const CLIENTS_DONE_WITHIN_MS = 180_000
const VISIT_WITHIN_MS = 10_000
const TIDY_WITHIN_MS = 5_000
const CLOSED_WITHIN_MS = 5_000
/** A wild network may still bring a renewal; how late a session may be after its last one is checked at its end. */
const EXPIRED_WITHIN_MS = 30_000

/** One cluster with its clients, from one seed: trouble, then peace, and then all that was promised. */
export class Simulation {
  readonly #options: SimulationOptions
  readonly #seams: Seams
  readonly #random: Random
  readonly #world = new World()
  readonly #history: History
  readonly #paths = new Paths()
  readonly #ledger: Ledger
  readonly #checks: ClientChecks
  readonly #clientNetwork: ClientNetwork
  readonly #peers: PeerNetwork
  readonly #cluster: Cluster
  readonly #clients: Client[] = []
  readonly #callers: UnaryCaller[] = []
  readonly #participants: readonly Participant[]
  readonly #observers: readonly Observer[]
  readonly #operators: readonly Operator[]
  readonly #peerWeather: Weather
  readonly #clientWeather: Weather
  readonly #scenario: Scenario
  /** Of clients that are gone. */
  readonly #past: Client[] = []
  #calm: Calm = { sinceMs: Number.POSITIVE_INFINITY, pausedMs: 0 }
  #ttlMsMax = 0
  #newest: Stamped = { at: 0, stamp: undefined }

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#seams = { ...INTEGRITY, ...options.seams }
    const random = new Random(options.seed)
    this.#random = random
    this.#history = new History(this.#world, options.print)
    this.#ledger = new Ledger((promise, facts) => this.#history.broken(promise, facts))
    this.#checks = new ClientChecks(this.#world, this.#ledger, this.#history)
    const world = this.#world
    const paths = this.#paths
    const company = new Random(options.seed, 1)
    const scenario = drawScenario(random, company)
    this.#scenario = scenario
    this.#peerWeather = { ...scenario.weather }
    this.#clientWeather = { ...scenario.weather }
    this.#clientNetwork = new ClientNetwork({
      world,
      paths,
      random: random.fork(),
      weather: this.#clientWeather,
      witness: this.#checks,
    })
    this.#peers = new PeerNetwork({
      world,
      paths,
      random: random.fork(),
      weather: this.#peerWeather,
      wild: scenario.wild,
      tamper: this.#seams.tamper,
    })
    this.#cluster = new Cluster(scenario.nodes, {
      world,
      random: random.fork(),
      history: this.#history,
      peers: this.#peers,
      clients: this.#clientNetwork,
      tuning: scenario.tuning,
      busyness: scenario.busyness,
      syncMs: scenario.syncMs,
      createDisk: this.#seams.createDisk,
      machines: new MachineChecks(this.#history),
      onApplied: (index, batch, applied) => this.#applied(index, batch, applied),
    })
    this.#history.note('seed', `${options.seed}: ${JSON.stringify(scenario)}`)
    for (const id of this.#cluster.ids) this.#cluster.start(id)
    for (let k = 0; k < scenario.clients; k++) this.#startClient()
    for (let k = 0; k < scenario.callers; k++) this.#startCaller()
    this.#operators = this.#startOperators(scenario)
    this.#participants = Array.from({ length: scenario.participants }, (_, k) =>
      this.#startParticipant(k, company),
    )
    this.#observers = Array.from({ length: scenario.observers }, (_, k) => this.#startObserver(k, company))
    if (scenario.floodWorkers > 0) this.#startClient(scenario.floodWorkers)
    this.#lookRegularly()
  }

  async run(): Promise<Result> {
    const faults = this.#trouble()
    await this.#until(this.#options.troubleMs, () => false)
    if (this.#history.breach === undefined) {
      faults.end()
      for (const weather of [this.#peerWeather, this.#clientWeather]) Object.assign(weather, FAIR)
      Object.assign(this.#scenario.wild ?? {}, { lost: 0, doubled: 0, belated: 0 })
      this.#history.note('all', 'faults are over')
      await this.#peace(faults)
    }
    return this.#result(faults)
  }

  #trouble(): Faults {
    const random = this.#random
    return new Faults({
      world: this.#world,
      random: random.fork(),
      history: this.#history,
      cluster: this.#cluster,
      paths: this.#paths,
      peers: this.#peers,
      weathers: [this.#peerWeather, this.#clientWeather],
      wild: this.#scenario.wild,
      clientNetwork: this.#clientNetwork,
      clients: () => this.#clients,
      holders: () => this.#checks.holders,
      replaceClient: (client) => this.#replaceClient(client),
      onAwake: (process) => this.#checks.awoke(process),
      pauseMs: random.pick([300, 1_000, 3_000]),
    })
  }

  /** Everything works again: what was promised for that. */
  async #peace(faults: Faults): Promise<void> {
    await this.#demand('P10 availability: a leader', LEADER_WITHIN_MS, () => this.#isLed())
    await this.#tidyUp()
    await this.#until(SETTLING_MS, () => false)
    await this.#demand('P10 availability: a leader, still', LEADER_WITHIN_MS, () => this.#isLed())
    this.#calm = { sinceMs: this.#world.nowMs, pausedMs: 0 }
    const { elections } = this.#cluster
    const users = [...this.#clients, ...this.#callers, ...this.#participants, ...this.#observers]
    for (const user of users) user.finish()
    await this.#demand('P10 availability: every call ends', CLIENTS_DONE_WITHIN_MS, () =>
      users.every((user) => user.idle),
    )
    await this.#demand('P9 linearizable reads: whoever watches sees all', CLIENTS_DONE_WITHIN_MS, () =>
      this.#clients.every((client) => client.isUpToDate),
    )
    await this.#demand(
      'P5 exactly once: no claim is left behind',
      TIDY_WITHIN_MS,
      () => this.#leftBehind() === undefined,
    )
    let visited = false
    const visitor = this.#startClient(0, 4_000)
    void visitor.visitAll(VISIT_WITHIN_MS).then(() => {
      visited = true
    })
    await this.#demand(
      'P10 availability: every name can be locked',
      VISIT_WITHIN_MS + this.#ttlMsMax * 1.1,
      () => visited,
    )
    const [mortal, ...others] = this.#clients
    let closed = 0
    for (const client of others) void client.close().then(() => closed++)
    await this.#demand('P10 availability: keepers close', CLOSED_WITHIN_MS, () => closed === others.length)
    // Nobody says anything any more: its session must expire all the same, in time.
    mortal!.process.kill()
    this.#clientNetwork.gone(mortal!.process.name)
    const { tickMs, electionTicks } = this.#scenario.tuning
    this.#calm = { ...this.#calm, pausedMs: faults.failTransfers(tickMs * electionTicks) }
    await this.#demand('P7 honest TTL: sessions of the dead expire', EXPIRED_WITHIN_MS, () =>
      [...this.#ledger.sessions.values()].every(({ end }) => end !== undefined),
    )
    await this.#demand(
      'all members are on the newest feature level, and known by their disks',
      LEADER_WITHIN_MS,
      () => this.#isAnnounced(),
    )
    await this.#demand(
      'what remains of names is over in time',
      EXPIRED_WITHIN_MS,
      () => !this.#ledger.names.areEnding,
    )
    await this.#demand('P8 durability: all nodes apply the whole log', LEADER_WITHIN_MS, () =>
      this.#isSettled(),
    )
    if (this.#history.breach !== undefined) return
    this.#cluster.checkInvariants()
    this.#checkEqual()
    if (this.#cluster.elections > elections)
      this.#history.broken('P10 availability: an election though all is well', { elections })
    this.#cluster.checkBounds()
    await this.#restartAll()
  }

  /** What operators have left undone is done; and members can be changed once more. */
  async #tidyUp(): Promise<void> {
    const [operator] = this.#operators
    if (operator === undefined) return
    for (const operator of this.#operators) operator.finish()
    await this.#demand('P10 availability: operators are answered', OPERATORS_DONE_WITHIN_MS, () =>
      this.#operators.every((each) => each.idle),
    )
    let done = false
    void operator.tidyUp().then(() => {
      done = true
    })
    await this.#demand('P10 availability: members change', TIDIED_UP_WITHIN_MS, () => done)
  }

  /** What the disks have comes to what the nodes were. */
  async #restartAll(): Promise<void> {
    const before = describeMachine(this.#cluster.leader!.replica.machine)
    this.#peers.losesTransfers = false
    this.#cluster.restartAll()
    await this.#demand('P8 durability: after a restart all is as it was', LEADER_WITHIN_MS, () => {
      const isSame = (): boolean =>
        this.#members.every(({ replica }) => describeMachine(replica.machine) === before)
      return this.#isLed() && this.#isSettled() && isSame()
    })
  }

  async #demand(what: string, withinMs: number, isDone: () => boolean): Promise<void> {
    if (this.#history.breach !== undefined) return
    const sinceMs = this.#world.nowMs
    await this.#until(withinMs, isDone)
    if (this.#history.breach !== undefined) return
    if (isDone()) this.#history.note('all', `${what}: after ${Math.round(this.#world.nowMs - sinceMs)} ms`)
    else this.#history.broken(what, { withinMs, sinceMs, leftBehind: this.#leftBehind() })
  }

  #until(withinMs: number, isDone: () => boolean): Promise<void> {
    return this.#world.run(this.#world.nowMs + withinMs, () => this.#history.breach !== undefined || isDone())
  }

  /** Who starts a program when all is well again names members: nodes that were removed unheard would keep it waiting. */
  get #addresses(): readonly string[] {
    const isCalm = Number.isFinite(this.#calm.sinceMs)
    return isCalm ? this.#members.map(({ id }) => addressOf(id)) : this.#cluster.addresses
  }

  get #members(): Node[] {
    return this.#cluster.members ?? []
  }

  #isLed(): boolean {
    const { leader, members } = this.#cluster
    if (leader === undefined || members === undefined) return false
    return members.every(({ replica }) => replica.status.leader === leader.id)
  }

  #leftBehind() {
    return this.#checks.leftBehind([...this.#past, ...this.#clients].flatMap(({ ended }) => ended))
  }

  #isSettled(): boolean {
    const newest = Math.max(...this.#members.map(({ replica }) => replica.status.lastIndex))
    return this.#members.every(({ replica }) => replica.appliedIndex === newest)
  }

  #isAnnounced(): boolean {
    const { level, disks } = this.#cluster.leader?.replica.machine ?? { level: 0, disks: { all: new Map() } }
    const isKnown = ({ id }: { readonly id: number }): boolean =>
      disks.all.get(id) === this.#cluster.diskOf(id)
    return level === FEATURE_LEVEL && disks.all.size === this.#members.length && this.#members.every(isKnown)
  }

  #checkEqual(): void {
    const states = this.#members.map(({ replica }) => describeMachine(replica.machine))
    if (new Set(states).size > 1)
      this.#history.broken('state machine safety: final states differ', { states })
  }

  #applied(index: number, batch: Batch, applied: Applied): void {
    const ledger = this.#ledger
    const { nowMs } = this.#world
    if (ledger.applied.has(index)) return checkSame(ledger, index, applied, this.#history)
    const page = ledger.write(index, nowMs, batch, applied)
    this.#history.note('log', `${index} at ${batch.at}: ${describeApplied(applied)}`)
    checkDueInTime(page, nowMs, this.#calm, this.#history)
    checkNotEarlyInTrueTime(page, nowMs, (id) => this.#checks.renewalSentMs(id), this.#history)
    checkNotLate(page, nowMs, this.#calm, this.#history)
    const stamped = { at: batch.at, stamp: this.#cluster.stampOf(index) }
    checkLiveTime(this.#newest, stamped, this.#scenario.tuning.tickMs, this.#history)
    this.#newest = stamped
    for (const claim of page.granted) this.#checks.passedOn(claim)
  }

  #startClient(
    workers = this.#scenario.workload.workers,
    ttlMs = this.#random.pick([300, 600, 1_500, 4_000]),
  ): Client {
    const random = this.#random.fork()
    const name = `c${this.#past.length + this.#clients.length + 1}`
    const clockRate = this.#seams.clientClockRate(random)
    const busyness = this.#scenario.busyness
    const process = new Process(this.#world, name, random.fork(), { clockRate, busyness })
    this.#ttlMsMax = Math.max(this.#ttlMsMax, ttlMs)
    const client = new Client({
      ...this.#scenario.workload,
      workers,
      process,
      random,
      network: this.#clientNetwork,
      addresses: () => this.#addresses,
      names: this.#scenario.names,
      options: { ttlMs, connectTimeoutMs: random.pick([1_000, 5_000]), ...pickStandIn(ttlMs, random) },
      ledger: this.#ledger,
      checks: this.#checks,
      history: this.#history,
    })
    this.#clients.push(client)
    return client
  }

  #startCaller(): void {
    const { names } = this.#scenario
    this.#callers.push(
      new UnaryCaller({
        ...this.#partsOf(`u${this.#callers.length + 1}`, 4_000, this.#random.fork()),
        names,
      }),
    )
  }

  #startParticipant(k: number, random: Random): Participant {
    const parts = this.#partsOf(`p${k + 1}`, random.pick([1_000, 3_000]), random.fork())
    // They do much in one story; in haste, most of the log would be theirs.
    const holdMs = Math.max(PARTICIPANT_HOLD_MS, parts.holdMs)
    return new Participant({ ...parts, holdMs, checks: this.#checks, story })
  }

  #startObserver(k: number, random: Random): Observer {
    const names = [...this.#scenario.names, ...PARTICIPANTS_NAMES]
    return new Observer({ ...this.#partsOf(`w${k + 1}`, 0, random.fork()), names })
  }

  /** Of a program without our client. */
  #partsOf(name: string, ttlMs: number, random: Random) {
    const clockRate = this.#seams.clientClockRate(random)
    const { busyness, workload } = this.#scenario
    const process = new Process(this.#world, name, random.fork(), { clockRate, busyness })
    const addresses = (): readonly string[] => this.#cluster.addresses
    const [network, ledger, history] = [this.#clientNetwork, this.#ledger, this.#history]
    this.#ttlMsMax = Math.max(this.#ttlMsMax, ttlMs)
    return { process, random, network, addresses, ttlMs, holdMs: workload.holdMs, ledger, history }
  }

  #startOperators({ operators, changePauseMs }: Scenario): Operator[] {
    const outcasts = new Set<NodeId>()
    const asked = new Set<Aim>()
    return Array.from({ length: operators }, (_, k) => {
      const [world, random, history] = [this.#world, this.#random.fork(), this.#history]
      const parts = {
        world,
        random,
        history,
        cluster: this.#cluster,
        outcasts,
        asked,
        pauseMs: changePauseMs,
      }
      return new Operator({ ...parts, name: `o${k + 1}` })
    })
  }

  #replaceClient(client: Client): void {
    const { process } = client
    this.#history.note(process.name, 'dies')
    process.kill()
    this.#checks.dead(process)
    this.#clientNetwork.gone(process.name)
    this.#past.push(...this.#clients.splice(this.#clients.indexOf(client), 1))
    this.#startClient()
  }

  #lookRegularly(): void {
    this.#world.plan(INVARIANTS_EVERY_MS, () => {
      this.#cluster.checkInvariants()
      this.#lookRegularly()
    })
  }

  #result(faults: Faults): Result {
    const { breach } = this.#history
    const counts: Record<string, number> = {
      entries: this.#ledger.newestIndex,
      elections: this.#cluster.elections,
      leaps: this.#cluster.leaps,
      learnersLeaps: this.#cluster.learnersLeaps,
      faults: faults.count,
      checkpoints: this.#cluster.checkpoints,
      crashesByFuse: this.#cluster.crashesByFuse,
      rollbacks: this.#cluster.rollbacks,
      emptied: this.#cluster.emptied,
      ...this.#ledger.counts,
      expiries: [...this.#ledger.sessions.values()].filter(({ end }) => end === 'expired').length,
    }
    for (const user of [...this.#past, ...this.#clients, ...this.#operators, ...this.#observers])
      for (const [what, count] of Object.entries(user.counts)) counts[what] = (counts[what] ?? 0) + count
    return {
      seed: this.#options.seed,
      hash: this.#history.digest(),
      breach,
      simulatedMs: this.#world.nowMs,
      counts,
    }
  }
}

function describeApplied({ verdicts, events }: Applied): string {
  return JSON.stringify([verdicts, events], (key, value) => (key === 'message' ? undefined : value))
}

/** Some clients have a stand-in for when they are busy, some of those for a short time only. */
function pickStandIn(ttlMs: number, random: Random): { maxStallMs?: number } {
  return random.chance(0.5) ? { maxStallMs: ttlMs * random.pick([1, 3]) } : {}
}
