import { NO_MEMBERS, NOBODY, RAFT_DEFAULTS } from '../raft/index.js'
import { Door } from './api/door.js'
import { ApiServer } from './api/server.js'
import { Attachments } from './attachments/attachments.js'
import { FreeSpace, reserveBytes } from './free-space/free-space.js'
import { Directory } from './membership/directory.js'
import { Membership } from './membership/membership.js'
import { openNodeDisk } from './node-disk/index.js'
import { systemClock } from './platform/clock.js'
import type { NodeConfig } from './platform/config.js'
import { freeBytes } from './platform/free-bytes.js'
import type { Logger } from './platform/logger.js'
import { random, randomKey } from './platform/random.js'
import { version } from './platform/version.js'
import { Proposals } from './proposals/proposals.js'
import type { NodeDisk } from './replica/ports.js'
import { recover } from './replica/recover.js'
import { Replica } from './replica/replica.js'
import { PeerTransport } from './transport/index.js'

const BYTES_PER_MIB = 1024 * 1024

export interface NodeSurroundings {
  readonly logger: Logger
  /** A broken invariant, a failed disk, a machine that has diverged: the node has stopped serving, and its process should end. */
  readonly onFatal: (error: Error) => void
}

export interface RunningNode {
  readonly clientAddress: string
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
  disk: NodeDisk,
  config: NodeConfig,
  { logger, onFatal }: NodeSurroundings,
): Promise<RunningNode> {
  const { tickMs, heartbeatTicks, electionTicks } = config.timing
  const raftConfig = { ...RAFT_DEFAULTS, id: config.id, heartbeatTicks, electionTicks }
  const voters = config.nodes.map(({ id }) => id)
  const firstMembers = config.joins ? NO_MEMBERS : { voters, outgoing: [], learners: [] }
  const { raft, machine, addresses } = await recover(disk, raftConfig, firstMembers, random)
  const transport = createPeers(config, logger)
  const clock = systemClock
  const checkpointBytes = config.storage.checkpointMiB * BYTES_PER_MIB
  const replica = new Replica({ raft, machine, disk, transport, clock, tickMs, checkpointBytes })
  const attachments = new Attachments()
  const proposals = new Proposals({ self: config.id, replica, transport, clock, firstNumber: firstNumber() })
  const told = addresses.map(({ node, peer, client }) => ({ id: node, peer, client }))
  const directory = new Directory(config.id, [...config.nodes, ...told], replica)
  const connected = () => transport.connected()
  const membership = new Membership({ self: config.id, replica, proposals, directory, connected })
  const freeSpace = new FreeSpace({
    self: config.id,
    replica,
    transport,
    clock,
    measure: () => freeBytes(config.data),
    reserveBytes: reserveBytes(checkpointBytes),
    logger,
  })
  const door = new Door({
    clusterId: config.clusterId,
    nodeId: config.id,
    version,
    directory,
    membership,
    replica,
    proposals,
    attachments,
    freeSpace,
    clock,
    connected,
    logger,
  })
  const api = new ApiServer(door, randomKey)

  const updatePeers = (): void => {
    const { configIndex, leader } = replica.status
    transport.update({ addresses: directory.peers(), configIndex, isLed: leader !== NOBODY })
  }
  const lookForMembers = (): void => {
    if (!directory.refresh()) return
    updatePeers()
    door.onMembers()
    membership.tidy()
  }

  const stop = async (): Promise<void> => {
    freeSpace.stop()
    await replica.handOver()
    await api.stop()
    proposals.stop()
    await replica.stop()
    await transport.stop()
    await disk.close()
  }

  replica.start({
    onApplied: (applied) => {
      proposals.onApplied(applied)
      attachments.onEvents(applied.events)
      lookForMembers()
    },
    onStatus: (status) => {
      const { role, term, leader, config: members } = status
      logger.info({ role, term, leader, members }, 'status')
      proposals.onStatus(status)
      membership.onStatus()
      api.setServing(status.leader !== 0)
      door.onStatus()
      lookForMembers()
      updatePeers()
    },
    onRestored: () => {
      logger.info({ index: replica.appliedIndex }, 'caught up by a snapshot')
      door.onRestored()
      proposals.onRestored()
      lookForMembers()
    },
    onDifference: (difference) => {
      logger.error(
        difference,
        'the machines of two nodes differ, and one of them is wrong: the one that a majority contradicts stops by itself; if none does, keep the data directories of both, and report it',
      )
    },
    onFatal: (error) => {
      logger.fatal({ err: error }, 'stopped')
      onFatal(error instanceof Error ? error : new Error(String(error)))
    },
  })
  lookForMembers()
  try {
    await transport.start({
      onItem: (from, item) => {
        if (item.kind === 'raft') replica.receive(from, item.message)
        else if (item.kind === 'forward') proposals.forwarded(item.chunk)
        else if (item.kind === 'digest') replica.digest(from, item)
        else if (item.kind === 'low_on_space') freeSpace.told(from, item)
        else replica.snapshot(from, item)
      },
      onConnected: (peer) => proposals.onConnected(peer),
      onDisconnected: (peer) => replica.disconnected(peer),
    })
    await freeSpace.start()
    await api.listen(config.client)
  } catch (error) {
    freeSpace.stop()
    await replica.stop()
    await transport.stop()
    throw error
  }
  return { clientAddress: config.client, stop }
}

function createPeers(config: NodeConfig, logger: Logger): PeerTransport {
  return new PeerTransport({
    self: config.id,
    clusterId: config.clusterId,
    listen: config.peer,
    peers: new Map(config.nodes.map(({ id, peer }) => [id, peer])),
    clock: systemClock,
    random,
    logger,
  })
}

/** At random, so that no answer meant for an earlier process of this node is taken for one of this. */
function firstNumber(): number {
  return Math.floor(random() * 2 ** 52)
}
