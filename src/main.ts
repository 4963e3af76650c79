import { NO_MEMBERS, RAFT_DEFAULTS } from '../raft/index.js'
import { Door } from './api/door.js'
import { ApiServer } from './api/server.js'
import { Attachments } from './attachments/attachments.js'
import { FEATURE_LEVEL } from './machine/roster/feature-level.js'
import { ClusterStart } from './membership/cluster-start.js'
import { Directory } from './membership/directory.js'
import { FeatureLevel } from './membership/feature-level.js'
import { Fencing, noteMember } from './membership/fencing.js'
import { Identification } from './membership/identification.js'
import { KeptEntries } from './membership/kept-entries.js'
import { KnownDisks } from './membership/known-disks.js'
import { knownIncarnation, noteIncarnation } from './membership/known-incarnation.js'
import { Membership } from './membership/membership.js'
import { Upkeep } from './membership/upkeep.js'
import { DirectoryCheck, IdentityFile, type LevelNodeDisk, openNodeDisk } from './node-disk/index.js'
import { systemClock } from './platform/clock.js'
import type { NodeConfig } from './platform/config.js'
import { freeBytes } from './platform/free-bytes.js'
import { Heap, heapLimitBytes } from './platform/heap.js'
import type { Logger } from './platform/logger.js'
import { lifeOf } from './platform/member-id.js'
import { descriptorsMax, placesFor } from './platform/port/index.js'
import { random, randomKey } from './platform/random.js'
import { version } from './platform/version.js'
import { WorkQueue } from './platform/work-queue.js'
import { Proposals, proposalLimits } from './proposals/proposals.js'
import { LoggedDisks } from './replica/logged-disks.js'
import { recover } from './replica/recover.js'
import { Replica } from './replica/replica.js'
import { diskGauge, memoryGauge } from './reserves/gauges.js'
import { Reserves } from './reserves/reserves.js'
import { PeerTransport } from './transport/index.js'

const BYTES_PER_MIB = 1024 * 1024
/** Clients follow a new leader within 50 ms of the news, unless they have moved often of late. */
const DESERTED_MS = 500

export interface NodeSurroundings {
  readonly logger: Logger
  /** A broken invariant, a failed disk, a machine that has diverged: the node has stopped serving, and its process should end. */
  readonly onFatal: (error: Error) => void
}

export interface RunningNode {
  /** As which member of the cluster it runs: see `member-id.ts`. */
  readonly member: number
  /** For a later life: whether it is to have a vote. */
  readonly votes: boolean
  /** A committed configuration had it. */
  readonly wasMember: () => boolean
  readonly clientAddress: string
  /** A peer has said that this node has lost what it promised, and not so many that it is given up. */
  readonly isFencedOff: () => boolean
  /** While it is fenced off, the others have a leader. */
  readonly othersLead: () => void
  /** In order: clients are sent to other nodes, the last write ends. */
  stop(): Promise<void>
}

/**
 * The composition root of one node: the only place where real things meet. Rejects, with nothing left running, if the
 * data directory can't be used or a port can't be listened at.
 */
export async function startNode(config: NodeConfig, surroundings: NodeSurroundings): Promise<RunningNode> {
  const disk = await openNodeDisk(config.data, { clusterId: config.clusterId, nodeId: config.id })
  try {
    return await startOn(disk, config, surroundings)
  } catch (error) {
    await disk.close()
    throw error
  }
}

async function startOn(
  disk: LevelNodeDisk,
  config: NodeConfig,
  { logger, onFatal }: NodeSurroundings,
): Promise<RunningNode> {
  const self = disk.identity.nodeId
  const nodes = config.nodes.map((node) => (node.id === config.id ? { ...node, id: self } : node))
  const { tickMs, heartbeatTicks, electionTicks } = config.timing
  const raftConfig = { ...RAFT_DEFAULTS, id: self, heartbeatTicks, electionTicks }
  const voters = nodes.map(({ id }) => id)
  const firstMembers = config.joins || lifeOf(self) > 0 ? NO_MEMBERS : { voters, outgoing: [], learners: [] }
  const identity = await IdentityFile.open(config.data, disk.identity.disk)
  const { raft, machine, addresses } = await recover(disk, raftConfig, firstMembers, random)
  const descriptors = descriptorsMax()
  const places = placesFor(descriptors)
  const transport = new PeerTransport({
    connectionsMax: places.peers,
    self,
    clusterId: config.clusterId,
    listen: config.peer,
    peers: new Map(nodes.map(({ id, peer }) => [id, peer])),
    level: FEATURE_LEVEL,
    disk: disk.identity.disk,
    remember: (hello) => {
      const remembered = knownDisks.meet(hello.from, hello.disk)
      remembered?.catch(fail)
      return remembered
    },
    lastIndex: () => raft.view().lastIndex,
    parts: disk,
    clock: systemClock,
    random,
    logger,
  })
  const clock = systemClock
  const checkpointBytes = config.storage.checkpointMiB * BYTES_PER_MIB
  const replica = new Replica({ raft, machine, disk, transport, clock, tickMs, checkpointBytes })
  const disks = new LoggedDisks(raft, replica)
  const knownDisks = new KnownDisks(disks, identity)
  const attachments = new Attachments()
  const proposals = new Proposals({
    self,
    replica,
    transport,
    clock,
    firstNumber: firstNumber(),
    limits: proposalLimits(heapLimitBytes()),
  })
  const told = addresses.map(({ node, peer, client }) => ({ id: node, peer, client }))
  const directory = new Directory(self, [...nodes, ...told], replica)
  const connected = () => transport.connected()
  const membership = new Membership({ self, replica, proposals, directory, connected })
  const fail = (error: unknown): void => {
    logger.fatal({ err: error }, 'stopped')
    onFatal(error instanceof Error ? error : new Error(String(error)))
  }
  const levels = () => transport.levels()
  const clusterStart = new ClusterStart({ number: randomKey(), wallMs: Date.now, onClockBehind: fail })
  const featureLevel = new FeatureLevel({ self, replica, proposals, clusterStart, levels })
  const identification = new Identification({
    self,
    disk: disk.identity.disk,
    replica,
    proposals,
    directory,
  })
  const fencing = new Fencing({
    self,
    disk: disk.identity.disk,
    disks,
    named: voters,
    replica,
    identity,
    fence: () => transport.fence(),
    onClaim: (claim) =>
      logger.error(
        claim,
        'a peer knows that what this node promised is lost: it is fenced off, and begins anew when as many peers as are needed have said so',
      ),
    onUnbelieved: (reason) =>
      logger.error(
        { reason },
        'a peer knows this node on another disk, and its own log knows it on this one: is this a copy of what it was in an earlier life, or are there two clusters of this name?',
      ),
    onDisowned: fail,
    onFailed: fail,
  })
  const keptEntries = new KeptEntries({ self, replica, transport, clock })
  const heap = new Heap(() => replica.machine.heldBytes + proposals.heldBytes)
  const gauges = [
    diskGauge(checkpointBytes, () => freeBytes(config.data)),
    memoryGauge(heapLimitBytes(), () => heap.freeBytes),
  ]
  const reserves = new Reserves({ self, replica, transport, clock, gauges, logger })
  const door = new Door({
    clusterId: config.clusterId,
    nodeId: self,
    version,
    directory,
    membership,
    replica,
    proposals,
    attachments,
    reserves,
    clock,
    workQueue: new WorkQueue(clock),
    connected,
    logger,
  })
  const api = new ApiServer(
    door,
    { descriptorsMax: descriptors, connectionsMax: places.clients, peerFigures: () => transport.figures },
    randomKey,
  )

  const updatePeers = (): void =>
    transport.update({
      ...directory.book(),
      disks: knownDisks,
      incarnation: knownIncarnation(replica.machine, identity),
      kept: keptEntries.byPeer,
    })
  const upkeep = new Upkeep({
    directory,
    membership,
    featureLevel,
    fencing,
    identification,
    onMembers: () => {
      noteIncarnation(replica.machine, identity).catch(fail)
      updatePeers()
      door.onMembers()
    },
  })

  const stopDirectoryCheck = (await DirectoryCheck.of(config.data)).watch(clock, fail)

  const stop = async (): Promise<void> => {
    stopDirectoryCheck()
    heap.stop()
    const led = replica.status.role === 'leader'
    reserves.stop()
    await replica.handOver()
    // What was asked here goes on to the next leader, and is answered here, while the clients go there.
    if (led && replica.status.role !== 'leader') await door.deserted(DESERTED_MS)
    await api.stop()
    proposals.stop()
    await replica.checkpoint()
    await replica.stop()
    await transport.stop()
    await disk.close()
  }

  replica.start({
    onApplied: (applied) => {
      proposals.onApplied(applied)
      attachments.onEvents(applied.events)
      attachments.onChanges(applied.changes)
      upkeep.onApplied()
    },
    onStatus: (status) => {
      const { role, term, leader, config: members } = status
      logger.info({ role, term, leader, members }, 'status')
      proposals.onStatus(status)
      api.setServing(status.leader !== 0)
      door.onStatus()
      upkeep.onStatus()
      updatePeers()
      noteMember(self, status, identity).catch(fail)
    },
    onUpToTerm: () => upkeep.onUpToTerm(),
    onRestored: () => {
      logger.info({ index: replica.appliedIndex }, 'caught up by a snapshot')
      door.onRestored()
      proposals.onRestored()
      upkeep.onApplied()
    },
    onDifference: (difference) => {
      logger.error(
        difference,
        'the machines of two nodes differ, and one of them is wrong: the one that a majority contradicts stops by itself; if none does, keep the data directories of both, and report it',
      )
    },
    onForbidden: (node, op) => {
      logger.error(
        { node, op },
        'a node sent what only the leader may say, or another of itself; it was ignored: see who can reach the peer ports',
      )
    },
    onStepped: (kept) => {
      if (disks.refresh()) {
        updatePeers()
        fencing.onNews()
      }
      keptEntries.kept(kept)
    },
    onCheckpoint: (checkpoint) => logger.debug(checkpoint, 'checkpoint written'),
    onFatal: fail,
  })
  upkeep.onApplied()
  fencing.begin()
  try {
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
    })
    await reserves.start()
    await api.listen(config.client)
  } catch (error) {
    stopDirectoryCheck()
    reserves.stop()
    await replica.stop()
    await transport.stop()
    throw error
  }
  const { votes = true } = disk.identity
  const wasMember = (): boolean => identity.facts.wasMember
  return {
    member: self,
    votes,
    wasMember,
    clientAddress: config.client,
    isFencedOff: () => fencing.isFencedOff,
    othersLead: () => fencing.othersLead(),
    stop,
  }
}

/** At random, so that no answer meant for an earlier process of this node is taken for one of this. */
function firstNumber(): number {
  return 1 + Math.floor(random() * 2 ** 52)
}
