import assert from 'node:assert/strict'
import { pino } from 'pino'
import { type Message, type NodeId, RAFT_DEFAULTS, type RaftConfig, type Status } from '../../raft/index.js'
import { Attachments } from '../../src/attachments/attachments.js'
import type { Command, Verdict } from '../../src/machine/language/command.js'
import type { Machine } from '../../src/machine/machine.js'
import { KeptEntries } from '../../src/membership/kept-entries.js'
import { PROPOSAL_LIMITS, type ProposalLimits, Proposals } from '../../src/proposals/proposals.js'
import { APPLY_BUDGET, type Applied, type ApplyBudget } from '../../src/replica/applier.js'
import type { WrittenCheckpoint } from '../../src/replica/checkpointer.js'
import type { Difference } from '../../src/replica/divergence.js'
import { decodePayload, type Payload } from '../../src/replica/payload.js'
import type { Chunk, NodeDisk, PeerItem, Transport } from '../../src/replica/ports.js'
import { recover } from '../../src/replica/recover.js'
import { Replica } from '../../src/replica/replica.js'
import { type Gauge, Reserves } from '../../src/reserves/reserves.js'
import { MemoryDisk } from '../suites/memory-disk.js'
import { HandClock } from './hand-clock.js'

export interface Circumstances {
  readonly id?: NodeId
  readonly voters?: readonly NodeId[]
  readonly tickMs?: number
  readonly firstNumber?: number
  readonly checkpointBytes?: number
  readonly limits?: ProposalLimits
  readonly applyBudget?: ApplyBudget
  readonly raft?: Partial<RaftConfig>
  /** In [0, 1). */
  readonly random?: () => number
}

export const RESERVE_BYTES = 128 * 1024 * 1024
const silent = pino({ level: 'silent' })

/** Where the items of a node go. */
export interface HandNetwork {
  readonly clock: HandClock
  send(from: NodeId, to: NodeId, item: PeerItem): void
  reachable(from: NodeId): ReadonlySet<NodeId>
}

/**
 * A node put together as in `main.ts`, of the real parts, on a clock, a disk and a network that the test moves by hand.
 * Alone it elects itself; in company the test speaks for the peers, or there is a `HandNetwork` with more of its kind.
 */
export class HandDrivenNode {
  readonly id: NodeId
  readonly clock: HandClock
  readonly disk = new MemoryDisk({ sync: (done) => this.#sync(done), random: () => this.survives })
  readonly attachments = new Attachments()
  readonly sent: { readonly to: NodeId; readonly item: PeerItem }[] = []
  readonly statuses: Status[] = []
  readonly fatal: unknown[] = []
  /** Peers whose streams it has ended. */
  readonly closed: { readonly peer: NodeId; readonly reason: string }[] = []
  readonly differences: Difference[] = []
  readonly forbidden: { readonly origin: NodeId; readonly op: string }[] = []
  /** Those on disk, in their order. */
  readonly checkpoints: WrittenCheckpoint[] = []
  /** Called before the parts of the node hear of an entry or a status. */
  onApplied: (applied: Applied) => void = () => undefined
  onStatus: (status: Status) => void = () => undefined
  /** Called when a peer's snapshot is in place, before Raft hears of it. */
  onRestored: () => void = () => undefined
  /** Awaited before a checkpoint is written. */
  onCheckpoint: () => Promise<void> = async () => undefined
  /** How often a peer's snapshot was put in place. */
  restored = 0
  diskStalled = false
  /** Space left on the disk; a node is low with less than `RESERVE_BYTES`. */
  freeBytes = Number.POSITIVE_INFINITY
  /** The same of its heap. */
  freeHeapBytes = Number.POSITIVE_INFINITY
  /** What is under way to the disk survives a crash if this is below 0.5. */
  survives = 0
  isAlive = false
  replica!: Replica
  proposals!: Proposals
  reserves!: Reserves
  keptEntries!: KeptEntries
  readonly #circumstances: Circumstances
  readonly #network: HandNetwork | undefined
  #synced: (() => void)[] = []
  #fail: (error: Error) => void = () => undefined

  private constructor(circumstances: Circumstances, network: HandNetwork | undefined) {
    this.id = circumstances.id ?? 1
    this.clock = network?.clock ?? new HandClock()
    this.#circumstances = circumstances
    this.#network = network
  }

  static async start(circumstances: Circumstances = {}, network?: HandNetwork): Promise<HandDrivenNode> {
    const node = new HandDrivenNode(circumstances, network)
    await node.boot()
    return node
  }

  /** Node 1 as a leader that serves. */
  static async leading(circumstances: Circumstances = {}): Promise<HandDrivenNode> {
    const node = await HandDrivenNode.start(circumstances)
    await node.clock.pass(5 * (circumstances.tickMs ?? 10))
    return node
  }

  get machine(): Machine {
    return this.replica.machine
  }

  /** A new process on the same disk. */
  async boot(): Promise<void> {
    const { id, clock } = this
    const {
      voters = [1],
      tickMs = 10,
      firstNumber = 1,
      checkpointBytes = 8 * 1024 * 1024,
      limits = PROPOSAL_LIMITS,
      applyBudget = APPLY_BUDGET,
      random = () => 0,
      raft: settings,
    } = this.#circumstances
    const disk = this.#failing(this.disk.open())
    const firstMembers = { voters, outgoing: [], learners: [] }
    const { raft, machine } = await recover(disk, { ...RAFT_DEFAULTS, ...settings, id }, firstMembers, random)
    const transport = this.#transport()
    const replicaParts = { raft, machine, disk, transport, clock, tickMs, checkpointBytes, applyBudget }
    this.replica = new Replica(replicaParts)
    this.proposals = new Proposals({ self: id, replica: this.replica, transport, clock, firstNumber, limits })
    const gauges: Gauge[] = [
      { resource: 'disk', measure: async () => this.freeBytes, reserveBytes: RESERVE_BYTES, everyMs: 1_000 },
      { resource: 'memory', measure: () => this.freeHeapBytes, reserveBytes: RESERVE_BYTES, everyMs: 100 },
    ]
    const parts = { self: id, replica: this.replica, transport, clock, logger: silent }
    this.reserves = new Reserves({ ...parts, gauges })
    this.keptEntries = new KeptEntries({ self: id, replica: this.replica, transport, clock })
    this.isAlive = true
    this.replica.start({
      onApplied: (applied) => {
        this.onApplied(applied)
        this.proposals.onApplied(applied)
        this.attachments.onEvents(applied.events)
      },
      onStatus: (status) => {
        this.statuses.push(status)
        this.onStatus(status)
        this.proposals.onStatus(status)
      },
      onUpToTerm: () => undefined,
      onRestored: () => {
        this.restored++
        this.onRestored()
        this.proposals.onRestored()
      },
      onDifference: (difference) => this.differences.push(difference),
      onForbidden: (origin, op) => this.forbidden.push({ origin, op }),
      onStepped: (index) => this.keptEntries.kept(index),
      onCheckpoint: (checkpoint) => this.checkpoints.push(checkpoint),
      onFatal: (error) => this.fatal.push(error),
    })
    await this.reserves.start()
  }

  /** kill -9. */
  crash(): void {
    this.isAlive = false
    this.reserves.stop()
    this.proposals.stop()
    void this.replica.stop()
    this.#synced = []
    this.disk.crash()
  }

  /** kill -9 and a new process. */
  async restart(): Promise<void> {
    this.crash()
    await this.boot()
  }

  receives(from: NodeId, item: PeerItem): void {
    if (item.kind === 'raft') this.replica.receive(from, item.message)
    else if (item.kind === 'forward') this.proposals.forwarded(item.chunk)
    else if (item.kind === 'digest') this.replica.digest(from, item)
    else if (item.kind === 'kept') this.keptEntries.told(from, item)
    else if (item.kind === 'low') this.reserves.told(from, item)
    else this.replica.snapshot(from, item)
  }

  /** The disk finishes what it was asked for. */
  async sync(): Promise<void> {
    const synced = this.#synced
    this.#synced = []
    for (const done of synced) done()
    await this.clock.turn()
  }

  /** What is under way fails, as when there is no space left. */
  async failWrite(error: Error): Promise<void> {
    this.#fail(error)
    await this.clock.turn()
  }

  hears(from: NodeId, ...messages: Message[]): void {
    for (const message of messages) this.replica.receive(from, message)
  }

  /** Asks, and keeps the verdicts in the order in which they come. */
  submit(...commands: Command[]): Verdict[] {
    const verdicts: Verdict[] = []
    for (const command of commands) {
      this.proposals.submit(command, { gone: false, settle: (verdict) => verdicts.push(verdict) })
    }
    return verdicts
  }

  /** Chunks forwarded since the last call, by the number of their first command. */
  takeForwarded(): { to: NodeId; first: number; count: number }[] {
    const chunks = this.sent.flatMap(({ to, item }) =>
      item.kind === 'forward' ? [{ to, first: item.chunk.first, count: item.chunk.count }] : [],
    )
    this.sent.length = 0
    return chunks
  }

  takeMessages(): { to: NodeId; message: Message }[] {
    const messages = this.sent.flatMap(({ to, item }) =>
      item.kind === 'raft' ? [{ to, message: item.message }] : [],
    )
    this.sent.length = 0
    return messages
  }

  /** Node 2 answers as one that agrees with all it is asked and told, until nothing more is asked. */
  async agree(): Promise<void> {
    await this.clock.turn()
    for (let asked = this.takeMessages(); asked.length > 0; asked = this.takeMessages()) {
      for (const { to, message } of asked) if (to === 2) this.hears(2, ...agreement(message))
      await this.clock.turn()
    }
  }

  /** What the entries on disk hold, no-ops left out. */
  get logged(): { at: number; firsts: number[] }[] {
    return this.#payloads.map(({ at, chunks }) => ({ at, firsts: chunks.map(({ first }) => first) }))
  }

  /** Of all entries on disk. */
  get chunks(): readonly Chunk[] {
    return this.#payloads.flatMap(({ chunks }) => chunks)
  }

  get #payloads(): Payload[] {
    const { entries } = this.disk
    return entries.flatMap(({ payload }) => (payload.length > 0 ? [decodePayload(payload)] : []))
  }

  #failing(disk: NodeDisk): NodeDisk {
    const failure = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    failure.catch(() => undefined)
    const orFails = <T>(work: Promise<T>): Promise<T> => Promise.race([work, failure])
    const { log, records } = disk
    let isCheckpointing = false
    return {
      log: {
        load: () => log.load(),
        write: (write) => orFails(log.write(write)),
        compact: (start) => orFails(log.compact(start)),
        close: () => log.close(),
      },
      records: {
        start: () => records.start(),
        load: (take) => records.load(take),
        begin: (start) => {
          const draft = records.begin(start)
          return {
            put: (changes) => draft.put(changes),
            write: async () => {
              isCheckpointing = true
              await this.onCheckpoint()
              await orFails(draft.write())
              isCheckpointing = false
            },
          }
        },
        openSnapshot: () => records.openSnapshot(),
        openStaging: (start) => records.openStaging(start),
      },
      load: (take) => disk.load(take),
      install: (staging) => {
        assert.equal(isCheckpointing, false, 'nothing else is under way while a snapshot is installed')
        return orFails(disk.install(staging))
      },
      close: () => disk.close(),
    }
  }

  #sync(done: () => void): void {
    if (this.diskStalled) this.#synced.push(done)
    else done()
  }

  #transport(): Transport {
    const network = this.#network
    const others = new Set((this.#circumstances.voters ?? []).filter((id) => id !== this.id))
    return {
      send: (to, item) => {
        if (network === undefined) this.sent.push({ to, item })
        else network.send(this.id, to, item)
      },
      start: async () => undefined,
      closeInbound: (peer, reason) => this.closed.push({ peer, reason }),
      connected: () => network?.reachable(this.id) ?? others,
      stop: async () => undefined,
    }
  }
}

function agreement(message: Message): Message[] {
  const { term } = message
  if (message.kind === 'vote') return [{ kind: 'vote_result', term, pre: message.pre, granted: true }]
  if (message.kind !== 'append') return []
  const { prevIndex, entries, round } = message
  const index = prevIndex + entries.length
  return [{ kind: 'append_result', term, accepted: true, index, hintIndex: 0, hintTerm: 0, round }]
}

export function open(key: number, ttlMs = 10_000): Command {
  return { op: 'open', key, ttlMs, label: '' }
}

export function keepAlive(session: number, key: number): Command {
  return { op: 'keepAlive', session, key }
}

/** Node 2 of three says, as the leader of this term, that it is alive. */
export function heartbeat(term: number, commit = 0): Message {
  return { kind: 'append', term, prevIndex: 0, prevTerm: 0, entries: [], commit, round: 0 }
}
