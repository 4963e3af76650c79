import { pino } from 'pino'
import {
  type LogIndex,
  NO_MEMBERS,
  type NodeId,
  type NodeView,
  type Output,
  type RaftNode,
} from '../../raft/index.js'
import { Door } from '../../src/api/door.js'
import { Attachments } from '../../src/attachments/attachments.js'
import type { Batch, Command } from '../../src/machine/language/command.js'
import type { Machine } from '../../src/machine/machine.js'
import { ClusterStart } from '../../src/membership/cluster-start.js'
import { type Addresses, Directory } from '../../src/membership/directory.js'
import { FeatureLevel } from '../../src/membership/feature-level.js'
import { type Claim, Fencing, noteMember } from '../../src/membership/fencing.js'
import { Identification } from '../../src/membership/identification.js'
import { KeptEntries } from '../../src/membership/kept-entries.js'
import { KnownDisks } from '../../src/membership/known-disks.js'
import { knownIncarnation, noteIncarnation } from '../../src/membership/known-incarnation.js'
import { Membership } from '../../src/membership/membership.js'
import { Upkeep } from '../../src/membership/upkeep.js'
import { WorkQueue } from '../../src/platform/work-queue.js'
import { type ProposalLimits, Proposals } from '../../src/proposals/proposals.js'
import type { Applied, ApplyBudget } from '../../src/replica/applier.js'
import { LoggedDisks } from '../../src/replica/logged-disks.js'
import { decodeCommands } from '../../src/replica/payload.js'
import type { IdentityStore, NodeDisk } from '../../src/replica/ports.js'
import { recover } from '../../src/replica/recover.js'
import { Replica } from '../../src/replica/replica.js'
import { memoryGauge } from '../../src/reserves/gauges.js'
import { Reserves } from '../../src/reserves/reserves.js'
import type { Applied as LoggedApplied } from './ledger.js'
import { CLUSTER_ID, type PeerStation } from './peer-station.js'
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
  readonly checkpointBytes: number
  readonly proposals: ProposalLimits
  /** Half of it is in reserve. */
  readonly heapBytes: number
  readonly applyBudget: ApplyBudget
}

/** Sees what the parts of a node do, from between them. */
export interface NodeWitness {
  stepped(view: NodeView, output: Output): void
  applied(node: number, index: LogIndex, batch: Batch, applied: LoggedApplied, machine: Machine): void
  /** This machine is made of a checkpoint of `index`: of the node's own, or of a peer's, of which all have been told. */
  restored(node: number, index: LogIndex, machine: Machine): void
  /** A peer says that what it promised is lost. */
  claimed(node: number, claim: Claim): void
  leads(node: number, term: number, leader: number): void
  fatal(node: number, error: unknown): void
}

export interface NodeParts {
  readonly id: number
  /** Those of its configuration file. */
  readonly nodes: readonly (Addresses & { readonly id: NodeId })[]
  /** As with `--join`: the others are to tell it who the members are. */
  readonly joins: boolean
  readonly process: Process
  readonly disk: NodeDisk & { readonly identity: IdentityStore }
  readonly transport: PeerStation
  readonly random: Random
  readonly tuning: NodeTuning
  readonly witness: NodeWitness
}

export interface Node {
  readonly id: number
  readonly process: Process
  readonly replica: Replica
  readonly membership: Membership
  readonly door: Door
  /** What it has been told that the others have on disk. */
  readonly kept: ReadonlyMap<NodeId, LogIndex>
  view(): NodeView
  /** In order, as `main.ts` does it. */
  stop(): Promise<void>
}

/** By the wall, when a simulation begins. */
const WALL_MS = Date.UTC(2026, 0, 1)
const silent = pino({ level: 'silent' })

/** One node, put together as in `main.ts`, of the real parts. */
export async function startNode(parts: NodeParts): Promise<Node> {
  const { id, nodes, joins, process, disk, transport, random, tuning, witness } = parts
  const { tickMs, checkpointBytes, applyBudget, proposals: limits, heapBytes, ...timing } = tuning
  const { clock } = process
  const raftConfig = { ...timing, id }
  const voters = nodes.map((node) => node.id)
  const firstMembers = joins ? NO_MEMBERS : { voters, outgoing: [], learners: [] }
  const { raft, machine, addresses } = await recover(disk, raftConfig, firstMembers, random.next)
  observe(raft, witness)
  const replicaParts = { raft, machine, disk, transport, clock, tickMs, checkpointBytes, applyBudget }
  const replica = new Replica(replicaParts)
  const disks = new LoggedDisks(raft, replica)
  const knownDisks = new KnownDisks(disks, disk.identity)
  witness.restored(id, replica.appliedIndex, machine)
  const attachments = new Attachments()
  const firstNumber = 1 + Math.floor(random.next() * 2 ** 52)
  const proposals = new Proposals({ self: id, replica, transport, clock, firstNumber, limits })
  const told = addresses.map(({ node, peer, client }) => ({ id: node, peer, client }))
  const directory = new Directory(id, [...nodes, ...told], replica)
  const connected = () => transport.connected()
  const membership = new Membership({ self: id, replica, proposals, directory, connected })
  const clusterStart = new ClusterStart({
    number: 1 + Math.floor(random.next() * 2 ** 52),
    wallMs: () => WALL_MS + Math.floor(clock.nowMs()),
    onClockBehind: (error) => witness.fatal(id, error),
  })
  const levels = () => transport.levels()
  const featureLevel = new FeatureLevel({ self: id, replica, proposals, clusterStart, levels })
  const identification = new Identification({
    self: id,
    disk: disk.identity.facts.disk,
    replica,
    proposals,
    directory,
  })
  const fail = (error: unknown): void => witness.fatal(id, error)
  const fencing = new Fencing({
    self: id,
    disk: disk.identity.facts.disk,
    disks,
    named: voters,
    replica,
    identity: disk.identity,
    fence: () => transport.fence(),
    onClaim: (claim) => witness.claimed(id, claim),
    onUnbelieved: (reason) => fail(new Error(`P10: a healthy node is accused: ${reason}`)),
    onDisowned: fail,
    onFailed: fail,
  })
  // These disks are never full.
  const gauges = [memoryGauge(heapBytes, () => heapBytes - replica.machine.heldBytes)]
  const reserves = new Reserves({ self: id, replica, transport, clock, gauges, logger: silent })
  const door = new Door({
    clusterId: CLUSTER_ID,
    nodeId: id,
    version: '0',
    directory,
    membership,
    replica,
    proposals,
    attachments,
    reserves,
    clock,
    // The clock stands still while a simulated turn runs: so each turn does one step.
    workQueue: new WorkQueue(clock, 0),
    connected,
    logger: silent,
  })
  const keptEntries = new KeptEntries({ self: id, replica, transport, clock })
  const updatePeers = (): void =>
    transport.update({
      ...directory.book(),
      disks: knownDisks,
      incarnation: knownIncarnation(replica.machine, disk.identity),
      kept: keptEntries.byPeer,
    })
  const upkeep = new Upkeep({
    directory,
    membership,
    featureLevel,
    fencing,
    identification,
    onMembers: () => {
      void noteIncarnation(replica.machine, disk.identity)
      updatePeers()
      door.onMembers()
    },
  })
  replica.start({
    onApplied: (applied) => {
      const commands = applied.chunks.flatMap(({ chunk }) => {
        const own: Command[] = []
        decodeCommands(chunk.commands, chunk.count, own)
        return own
      })
      const batch = { at: replica.machine.at, commands }
      witness.applied(id, applied.index, batch, asOfMachine(applied), replica.machine)
      proposals.onApplied(applied)
      attachments.onEvents(applied.events)
      attachments.history.onChanges(applied.changes)
      upkeep.onApplied()
    },
    onStatus: (status) => {
      witness.leads(id, status.term, status.serving ? id : 0)
      proposals.onStatus(status)
      door.onStatus()
      upkeep.onStatus()
      updatePeers()
      void noteMember(id, status, disk.identity)
    },
    onUpToTerm: () => upkeep.onUpToTerm(),
    onRestored: () => {
      door.onRestored()
      proposals.onRestored()
      upkeep.onApplied()
      witness.restored(id, replica.appliedIndex, replica.machine)
    },
    onDifference: (difference) =>
      witness.fatal(id, new Error(`P1: nodes differ: ${JSON.stringify(difference)}`)),
    onForbidden: (node, op) => witness.fatal(id, new Error(`node ${node} proposed ${op}`)),
    onStepped: (kept) => {
      if (disks.refresh()) {
        updatePeers()
        fencing.onNews()
      }
      keptEntries.kept(kept)
    },
    onCheckpoint: () => undefined,
    onFatal: (error) => witness.fatal(id, error),
  })
  upkeep.onApplied()
  fencing.begin()
  await transport.start({
    onItem: (from, item) => {
      if (item.kind === 'raft') replica.receive(from, item.message)
      else if (item.kind === 'forward') proposals.forwarded(item.chunk)
      else if (item.kind === 'digest') replica.digest(from, item)
      else if (item.kind === 'kept') keptEntries.told(from, item)
      else if (item.kind === 'low') reserves.told(from, item)
      else replica.snapshot(from, item)
    },
    onConnected: (peer) => {
      keptEntries.onConnected(peer)
      proposals.onConnected(peer)
    },
    onDisconnected: (peer) => replica.disconnected(peer),
    onGreeted: () => upkeep.announce(),
    onDisowned: (peer, reason, loss) => fencing.claimed(peer, reason, loss),
    remember: (peer, theirs) => knownDisks.meet(peer, theirs),
    lastIndex: () => raft.view().lastIndex,
  })
  await reserves.start()
  const stop = async (): Promise<void> => {
    reserves.stop()
    await replica.handOver()
    door.stop()
    proposals.stop()
    await replica.checkpoint()
    await replica.stop()
    await transport.stop()
    await disk.close()
  }
  const kept = keptEntries.byPeer
  return { id, process, replica, membership, door, kept, view: () => raft.view(), stop }
}

function observe(raft: RaftNode, witness: NodeWitness): void {
  const step = raft.step.bind(raft)
  raft.step = (inputs) => {
    const output = step(inputs)
    witness.stepped(raft.view(), output)
    return output
  }
}

function asOfMachine({ chunks, events, changes }: Applied): LoggedApplied {
  const verdicts = chunks.flatMap(({ verdicts }) => verdicts)
  return { verdicts, events, changes: changes.map((change) => ({ ...change, claim: change.claim.id })) }
}
