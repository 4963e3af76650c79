import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { freeAddresses } from '../../scripts/cluster/free-ports.js'
import { LocalCluster, type LocalClusterOptions } from '../../scripts/cluster/local-cluster.js'
import { NodeProcess } from '../../scripts/cluster/node-process.js'
import type { Operations } from '../../src/client/ports.js'
import { runCli } from './cli.js'
import { eventually } from './eventually.js'
import type { Ended } from './program.js'

export type MembersSeen = Operations['listMembers']['response']

export interface NewcomerOptions {
  /** That of the cluster by default. */
  readonly clusterId?: string
  /** With --join by default. */
  readonly joins?: boolean
}

/** A node that was not there from the beginning. */
export interface Newcomer {
  readonly node: NodeProcess
  readonly peer: string
  readonly client: string
}

const AGREED_MS = 20_000

/** A cluster of three that nodes join and leave, by the command line, as an operator does it. */
export class ChangingCluster implements AsyncDisposable {
  readonly original: LocalCluster
  /** Of every node. */
  readonly #storage: Pick<LocalClusterOptions, 'checkpointMiB'>
  readonly #newcomers = new Map<number, Newcomer>()
  readonly #restarted: NodeProcess[] = []
  /** Where the command line turns to. */
  addresses: string

  private constructor(original: LocalCluster, storage: Pick<LocalClusterOptions, 'checkpointMiB'>) {
    this.original = original
    this.#storage = storage
    this.addresses = original.addresses
  }

  static async start(options: Pick<LocalClusterOptions, 'checkpointMiB'> = {}): Promise<ChangingCluster> {
    return new ChangingCluster(await LocalCluster.start(options), options)
  }

  node(id: number): NodeProcess {
    return this.#newcomers.get(id)?.node ?? this.original.node(id)
  }

  /** The same node as a process that is started without --join, or with it. */
  again(id: number, joins: boolean): NodeProcess {
    const { directory } = this.original
    const files = {
      configFile: join(directory, `node-${id}.yaml`),
      logFile: join(directory, `node-${id}.log`),
    }
    const node = new NodeProcess({ id, ...files, joins })
    this.#restarted.push(node)
    return node
  }

  /** Starts a node whose file has nothing but its own entry. */
  async newcomer(id: number, { clusterId = 'local', joins = true }: NewcomerOptions = {}): Promise<Newcomer> {
    const { directory } = this.original
    const [peer, client] = (await freeAddresses(2)) as [string, string]
    const configFile = join(directory, `node-${id}.yaml`)
    const entry = { id, peer, client, data: join(directory, `data-${id}`) }
    await writeFile(
      configFile,
      stringify({ cluster: { id: clusterId }, nodes: [entry], storage: this.#storage }),
    )
    const node = new NodeProcess({ id, configFile, logFile: join(directory, `node-${id}.log`), joins })
    const newcomer = { node, peer, client }
    this.#newcomers.set(id, newcomer)
    await node.start()
    return newcomer
  }

  /** `lockkeeper` with these arguments, which must succeed. */
  async operate(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.attempt(...args)
    assert.equal(code, 0, `lockkeeper ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  attempt(...args: string[]): Promise<Ended> {
    return runCli([...args, '--connect', this.addresses])
  }

  /** A newcomer, started and made a voter. */
  async join(id: number): Promise<Newcomer> {
    const newcomer = await this.newcomer(id)
    await this.operate('members', 'add', String(id), newcomer.peer, newcomer.client)
    return newcomer
  }

  async members(): Promise<MembersSeen> {
    return JSON.parse(await this.operate('members', '--json')) as MembersSeen
  }

  /** Resolves when the leader says that just these have a vote, and nobody else is there. */
  async voters(...ids: number[]): Promise<MembersSeen> {
    return await eventually(`the members are ${ids}`, AGREED_MS, async () => {
      const seen = await this.members()
      const voters = seen.members.filter(({ voter }) => voter).map(({ id }) => id)
      return String(voters) === String(ids) && seen.members.length === ids.length ? seen : undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const newcomers = [...this.#newcomers.values()].map(({ node }) => node)
    await Promise.all([...newcomers, ...this.#restarted].map((node) => node.stop()))
    await this.original.stop()
  }
}
