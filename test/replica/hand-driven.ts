import { type Message, type NodeId, RAFT_DEFAULTS, RaftNode, type Status } from '../../raft/index.js'
import { Attachments } from '../../src/attachments/attachments.js'
import type { Command, Verdict } from '../../src/machine/command.js'
import { Machine } from '../../src/machine/machine.js'
import { Proposals } from '../../src/proposals/proposals.js'
import { decodePayload } from '../../src/replica/payload.js'
import type { LogStore, PeerItem, Transport } from '../../src/replica/ports.js'
import { type Applied, Replica } from '../../src/replica/replica.js'
import { MemoryDisk } from '../suites/memory-log-store.js'
import { HandClock } from './hand-clock.js'

export interface Circumstances {
  readonly voters?: readonly NodeId[]
  readonly tickMs?: number
  readonly firstNumber?: number
}

/**
 * Node 1 put together as in `main.ts`, of the real parts, on a clock, a disk and a network that the test moves by hand.
 * Alone it elects itself; in company the test speaks for the peers.
 */
export class HandDrivenNode {
  readonly clock = new HandClock()
  readonly disk = new MemoryDisk({ sync: (done) => this.#sync(done), random: () => 0 })
  readonly attachments = new Attachments()
  readonly sent: { readonly to: NodeId; readonly item: PeerItem }[] = []
  readonly statuses: Status[] = []
  readonly fatal: unknown[] = []
  /** Called before the parts of the node hear of an entry or a status. */
  onApplied: (applied: Applied) => void = () => undefined
  diskStalled = false
  replica!: Replica
  machine!: Machine
  proposals!: Proposals
  readonly #circumstances: Circumstances
  #synced: (() => void)[] = []
  #fail: (error: Error) => void = () => undefined

  private constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances
  }

  static async start(circumstances: Circumstances = {}): Promise<HandDrivenNode> {
    const node = new HandDrivenNode(circumstances)
    await node.boot()
    return node
  }

  /** Node 1 as a leader that serves. */
  static async leading(circumstances: Circumstances = {}): Promise<HandDrivenNode> {
    const node = await HandDrivenNode.start(circumstances)
    await node.clock.pass(5 * (circumstances.tickMs ?? 10))
    return node
  }

  /** A new process on the same disk. */
  async boot(): Promise<void> {
    const { voters = [1], tickMs = 10, firstNumber = 1 } = this.#circumstances
    const store = this.#failing(this.disk.open())
    const raft = new RaftNode({ ...RAFT_DEFAULTS, id: 1, voters }, await store.load(), () => 0)
    this.machine = new Machine()
    const { clock, machine } = this
    const transport = this.#transport()
    this.replica = new Replica({ raft, machine, store, transport, clock, tickMs })
    this.proposals = new Proposals({ self: 1, replica: this.replica, transport, clock, firstNumber })
    this.replica.start({
      onApplied: (applied) => {
        this.onApplied(applied)
        this.proposals.onApplied(applied)
        this.attachments.onEvents(applied.events)
      },
      onStatus: (status) => {
        this.statuses.push(status)
        this.proposals.onStatus(status)
      },
      onFatal: (error) => this.fatal.push(error),
    })
  }

  /** kill -9 and a new process. */
  async restart(): Promise<void> {
    this.proposals.stop()
    this.replica.stop()
    this.disk.crash()
    await this.boot()
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
    return this.disk.entries
      .filter(({ payload }) => payload.length > 0)
      .map(({ payload }) => decodePayload(payload))
      .map(({ at, chunks }) => ({ at, firsts: chunks.map(({ first }) => first) }))
  }

  #failing(store: LogStore): LogStore {
    const failure = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    failure.catch(() => undefined)
    return {
      load: () => store.load(),
      write: (write) => Promise.race([store.write(write), failure]),
      close: () => store.close(),
    }
  }

  #sync(done: () => void): void {
    if (this.diskStalled) this.#synced.push(done)
    else done()
  }

  #transport(): Transport {
    return {
      send: (to, item) => void this.sent.push({ to, item }),
      start: async () => undefined,
      connected: () => new Set(),
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
