import { pino } from 'pino'
import { type Input, type NodeView, type Output, RaftNode } from '../../raft/index.js'
import { Door } from '../../src/api/door.js'
import { Attachments } from '../../src/attachments/attachments.js'
import type { Batch } from '../../src/machine/command.js'
import { type Applied, Machine } from '../../src/machine/machine.js'
import { Proposals } from '../../src/proposals/proposals.js'
import type { LogStore, Transport } from '../../src/replica/ports.js'
import { Replica } from '../../src/replica/replica.js'
import { addressOf } from './client-network.js'
import type { Process } from './process.js'
import type { Random } from './random.js'

/** How nodes are tuned; the same for all of a cluster. */
export interface NodeTuning {
  readonly tickMs: number
  readonly heartbeatTicks: number
  readonly electionTicks: number
  readonly disconnectTicks: number
  readonly appendBytesMax: number
  readonly inflightBytesMax: number
  readonly pendingReadsMax: number
}

/** Sees what the parts of a node do, from between them. */
export interface NodeWitness {
  stepped(view: NodeView, output: Output): void
  applied(node: number, index: number, batch: Batch, applied: Applied): void
  leads(node: number, term: number, leader: number): void
  fatal(node: number, error: unknown): void
}

export interface NodeParts {
  readonly id: number
  readonly voters: readonly number[]
  readonly process: Process
  readonly store: LogStore
  readonly transport: Transport
  readonly random: Random
  readonly tuning: NodeTuning
  readonly witness: NodeWitness
}

export interface Node {
  readonly id: number
  readonly process: Process
  readonly replica: Replica
  readonly machine: Machine
  readonly door: Door
  view(): NodeView
  /** In order, as `main.ts` does it. */
  stop(): void
}

const silent = pino({ level: 'silent' })

/** One node, put together as in `main.ts`, of the real parts. */
export async function startNode(parts: NodeParts): Promise<Node> {
  const { id, voters, process, store, transport, random, tuning, witness } = parts
  const { tickMs, ...timing } = tuning
  const { clock } = process
  const raft = new WitnessedRaft({ ...timing, id, voters }, await store.load(), random.next)
  raft.witness = witness
  const machine = new WitnessedMachine()
  const replica = new Replica({ raft, machine, store, transport, clock, tickMs })
  machine.onApply = (batch, applied) => witness.applied(id, replica.appliedIndex, batch, applied)
  const attachments = new Attachments()
  const firstNumber = Math.floor(random.next() * 2 ** 52)
  const proposals = new Proposals({ self: id, replica, transport, clock, firstNumber })
  const door = new Door({
    clusterId: 'simulated',
    nodeId: id,
    version: '0',
    members: voters.map((voter) => ({ id: voter, client: addressOf(voter), peer: '' })),
    replica,
    proposals,
    attachments,
    clock,
    connected: () => transport.connected(),
    logger: silent,
  })
  replica.start({
    onApplied: (applied) => {
      proposals.onApplied(applied)
      attachments.onEvents(applied.events)
    },
    onStatus: (status) => {
      witness.leads(id, status.term, status.serving ? id : 0)
      proposals.onStatus(status)
      door.onStatus()
    },
    onFatal: (error) => witness.fatal(id, error),
  })
  await transport.start({
    onItem: (from, item) => {
      if (item.kind === 'raft') replica.receive(from, item.message)
      else proposals.forwarded(item.chunk)
    },
    onConnected: (peer) => proposals.onConnected(peer),
    onDisconnected: (peer) => replica.disconnected(peer),
  })
  const stop = (): void => {
    door.stop()
    proposals.stop()
    replica.stop()
    void transport.stop()
    void store.close()
  }
  return { id, process, replica, machine, door, view: () => raft.view(), stop }
}

class WitnessedRaft extends RaftNode {
  witness: NodeWitness | undefined

  override step(inputs: readonly Input[]): Output {
    const output = super.step(inputs)
    this.witness?.stepped(this.view(), output)
    return output
  }
}

class WitnessedMachine extends Machine {
  onApply: (batch: Batch, applied: Applied) => void = () => undefined

  override apply(batch: Batch): Applied {
    const applied = super.apply(batch)
    this.onApply(batch, applied)
    return applied
  }
}
