import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { GrpcConnector } from '../../src/client/grpc-connector.js'
import { DEFAULT_STORAGE } from '../../src/platform/config.js'
import type { LogLevel } from '../../src/platform/logger.js'
import { numberOf } from '../../src/platform/member-id.js'
import type { GetStatusResponse } from '../../src/protocol/lockkeeper.js'
import { freeAddresses } from './free-ports.js'
import { NodeProcess } from './node-process.js'

export interface LocalClusterOptions {
  /** 3 by default. */
  readonly nodes?: number
  /** 'local' by default. */
  readonly clusterId?: string
  /** Of the log between two checkpoints of a node; 2 by default. */
  readonly checkpointMiB?: number
  /** Of the nodes; 'info' by default. */
  readonly logLevel?: LogLevel
  /** Files and sockets that each node may have open; as many as this process by default. */
  readonly descriptorsMax?: number
  /** Where each node dials the others, if not at their own address: for a network that a test can cut. */
  readonly peerAddressSeenBy?: (from: number, to: number, address: string) => string
}

const STATUS_MS = 1_000
const PATIENCE_MS = 20_000
const POLL_MS = 20

/**
 * A cluster of real processes on loopback, with free ports and a temporary directory of its own, for the quickstart, the
 * benchmark and the tests. `stop` ends the processes and removes the directory.
 */
export class LocalCluster {
  readonly directory: string
  readonly nodes: readonly NodeProcess[]
  /** 'host:port' for clients, in the order of `nodes`, whose ids count from 1. */
  readonly clientAddresses: readonly string[]
  /** 'host:port' for the other nodes. */
  readonly peerAddresses: readonly string[]
  readonly #connector = new GrpcConnector()

  private constructor(
    directory: string,
    nodes: readonly NodeProcess[],
    members: readonly { readonly client: string; readonly peer: string }[],
  ) {
    this.directory = directory
    this.nodes = nodes
    this.clientAddresses = members.map(({ client }) => client)
    this.peerAddresses = members.map(({ peer }) => peer)
  }

  /** Resolves when all nodes listen and one of them leads. */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const cluster = await LocalCluster.create(options)
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()))
      await cluster.leader()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** Everything is in place, and nothing has been started. */
  static async create(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const { nodes: count = 3, clusterId = 'local', peerAddressSeenBy = (_, __, address) => address } = options
    const { checkpointMiB = DEFAULT_STORAGE.checkpointMiB, logLevel = 'info', descriptorsMax } = options
    const directory = await mkdtemp(join(tmpdir(), 'lockkeeper-'))
    const addresses = await freeAddresses(2 * count)
    const members = Array.from({ length: count }, (_, k) => ({
      id: k + 1,
      peer: addresses[k]!,
      client: addresses[count + k]!,
      data: dataDirectory(directory, k + 1),
    }))
    const nodes: NodeProcess[] = []
    for (const { id } of members) {
      const seen = members.map((member) => {
        const peer = member.id === id ? member.peer : peerAddressSeenBy(id, member.id, member.peer)
        return { ...member, peer }
      })
      const configFile = join(directory, `node-${id}.yaml`)
      await writeFile(
        configFile,
        stringify({ cluster: { id: clusterId }, nodes: seen, storage: { checkpointMiB } }),
      )
      const logFile = join(directory, `node-${id}.log`)
      const limits = descriptorsMax === undefined ? {} : { descriptorsMax }
      nodes.push(new NodeProcess({ id, configFile, logFile, logLevel, ...limits }))
    }
    return new LocalCluster(directory, nodes, members)
  }

  /** For `connect()`. */
  get addresses(): string {
    return this.clientAddresses.join(',')
  }

  node(id: number): NodeProcess {
    const node = this.nodes[id - 1]
    if (node === undefined) throw new Error(`there is no node ${id}`)
    return node
  }

  clientAddress(id: number): string {
    return this.clientAddresses[id - 1]!
  }

  /** Where a node keeps its log. */
  dataDirectory(id: number): string {
    return dataDirectory(this.directory, id)
  }

  /** What a node says of itself; undefined if it does not answer within a second. */
  async status(id: number): Promise<GetStatusResponse | undefined> {
    try {
      return await this.#connector.call(this.clientAddress(id), 'getStatus', {}, STATUS_MS)
    } catch {
      return undefined
    }
  }

  /**
   * The node that a majority of the cluster holds for its leader, as soon as there is one. Only those `among` are asked:
   * for when others do not answer, or are cut off.
   */
  async leader(among: readonly NodeProcess[] = this.nodes): Promise<NodeProcess> {
    return await this.#eventually('there is a leader', async () => {
      const running = among.filter(({ isRunning }) => isRunning)
      const statuses = await Promise.all(running.map(({ id }) => this.status(id)))
      return running.find((node) => {
        // It may be in a later life.
        const isNode = (member?: number): boolean => member !== undefined && numberOf(member) === node.id
        const followers = statuses.filter((status) => isNode(status?.topology?.leader))
        const leads = statuses.some((status) => isNode(status?.nodeId) && status?.role === 'leader')
        return leads && followers.length > this.nodes.length / 2
      })
    })
  }

  /** Resolves with the leader when all nodes follow it and have applied what it had committed when this was asked. */
  async settled(): Promise<NodeProcess> {
    const { id } = await this.leader()
    const { commitIndex = 0 } = (await this.status(id)) ?? {}
    return await this.#eventually('all nodes have caught up', async () => {
      const statuses = await Promise.all(this.nodes.map((node) => this.status(node.id)))
      const [leader = 0, ...others] = new Set(statuses.map((status) => status?.topology?.leader))
      const haveAll = statuses.every((status) => status !== undefined && status.appliedIndex >= commitIndex)
      const agree = haveAll && others.length === 0
      return agree ? this.nodes.find((node) => node.id === numberOf(leader)) : undefined
    })
  }

  /** All but this one. */
  others(id: number): readonly NodeProcess[] {
    return this.nodes.filter((node) => node.id !== id)
  }

  async #eventually<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
    const endMs = performance.now() + PATIENCE_MS
    while (performance.now() < endMs) {
      const answer = await probe()
      if (answer !== undefined) return answer
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
    const outputs = this.nodes.map((node) => `--- node ${node.id}\n${node.output().slice(-2_000)}`)
    throw new Error(`this did not come to pass within ${PATIENCE_MS} ms: ${what}\n${outputs.join('\n')}`)
  }

  /** Ends the nodes and removes the directory. */
  async stop(): Promise<void> {
    this.#connector.close()
    await Promise.all(this.nodes.map((node) => node.stop()))
    await rm(this.directory, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function dataDirectory(directory: string, id: number): string {
  return join(directory, `data-${id}`)
}
