import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { freeAddresses } from '../../scripts/cluster/free-ports.js'
import { FEATURE_LEVEL } from '../../src/machine/roster/feature-level.js'
import { type RunningNode, startNode } from '../../src/main.js'
import { DEFAULT_STORAGE, DEFAULT_TIMING } from '../../src/platform/config.js'
import { createLogger } from '../../src/platform/logger.js'
import * as wire from '../../src/protocol/lockkeeper.js'

/** What a unary call may be asked, by its name in the contract. */
export interface Calls {
  openSession: { request: wire.OpenSessionRequest; response: wire.OpenSessionResponse }
  keepAlive: { request: wire.KeepAliveRequest; response: wire.KeepAliveResponse }
  closeSession: { request: wire.CloseSessionRequest; response: wire.CloseSessionResponse }
  acquire: { request: wire.AcquireRequest; response: wire.AcquireResponse }
  release: { request: wire.ReleaseRequest; response: wire.ReleaseResponse }
  cancel: { request: wire.CancelRequest; response: wire.CancelResponse }
  update: { request: wire.UpdateRequest; response: wire.UpdateResponse }
  downgrade: { request: wire.DowngradeRequest; response: wire.DowngradeResponse }
  forceRelease: { request: wire.ForceReleaseRequest; response: wire.ForceReleaseResponse }
  requestRelease: { request: wire.RequestReleaseRequest; response: wire.RequestReleaseResponse }
  suspend: { request: wire.SuspendRequest; response: wire.SuspendResponse }
  resume: { request: wire.ResumeRequest; response: wire.ResumeResponse }
  getName: { request: wire.GetNameRequest; response: wire.GetNameResponse }
  listNames: { request: wire.ListNamesRequest; response: wire.ListNamesResponse }
  listClaims: { request: wire.ListClaimsRequest; response: wire.ListClaimsResponse }
  listSessions: { request: wire.ListSessionsRequest; response: wire.ListSessionsResponse }
  getStatus: { request: wire.GetStatusRequest; response: wire.GetStatusResponse }
}

/** The generated client's methods, as they are. */
const METHODS: {
  [C in keyof Calls]: {
    readonly path: string
    readonly requestSerialize: (request: Calls[C]['request']) => Buffer
    readonly responseDeserialize: (bytes: Buffer) => Calls[C]['response']
  }
} = wire.LockkeeperClient.service

/** How a call or a stream ended. */
export interface Ending {
  /** By its name in gRPC. */
  readonly status: string
  /** The trailing metadata `lockkeeper-code`. */
  readonly code: string | undefined
  readonly message: string
}

export class CallError extends Error implements Ending {
  readonly status: string
  readonly code: string | undefined

  constructor(error: ServiceError) {
    super(error.details)
    this.status = status[error.code]
    this.code = refusalCode(error.metadata)
  }
}

export function refusalCode(metadata: Metadata): string | undefined {
  return metadata.get('lockkeeper-code')[0]?.toString()
}

const ANSWER_MS = 10_000
const POLL_MS = 10

/** A node of a cluster, in this process, with a client of the generated kind. Alone it is a cluster of one. */
export class OneNode {
  readonly address: string
  readonly client: wire.LockkeeperClient
  readonly #node: RunningNode
  readonly #directory: string
  #stopping: Promise<void> | undefined

  private constructor(node: RunningNode, directory: string) {
    this.#node = node
    this.#directory = directory
    this.address = node.clientAddress
    this.client = new wire.LockkeeperClient(this.address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.max_send_message_length': -1,
    })
  }

  /** Resolves when it serves all it knows; with `members` above 1, where the others never come, when it listens. */
  static async start(members = 1): Promise<OneNode> {
    const directory = await mkdtemp(join(tmpdir(), 'lockkeeper-'))
    const addresses = await freeAddresses(2 * members)
    const nodes = Array.from({ length: members }, (_, k) => ({
      id: k + 1,
      peer: addresses[2 * k]!,
      client: addresses[2 * k + 1]!,
      data: join(directory, `${k + 1}`),
    }))
    const running = await startNode(
      {
        ...nodes[0]!,
        clusterId: 'test',
        nodes,
        joins: false,
        timing: DEFAULT_TIMING,
        storage: DEFAULT_STORAGE,
      },
      {
        logger: createLogger('silent', {}),
        onFatal: (error) => {
          throw error
        },
      },
    )
    const node = new OneNode(running, directory)
    if (members === 1)
      await until(async () => (await node.call('getStatus', {})).featureLevel === FEATURE_LEVEL)
    return node
  }

  /** Rejects with a `CallError`. */
  call<C extends keyof Calls>(
    name: C,
    request: Calls[C]['request'],
    deadlineMs = ANSWER_MS,
  ): Promise<Calls[C]['response']> {
    return this.callRaw(name, METHODS[name].requestSerialize(request), deadlineMs)
  }

  /** With whatever bytes in place of the request. */
  callRaw<C extends keyof Calls>(
    name: C,
    bytes: Buffer,
    deadlineMs = ANSWER_MS,
  ): Promise<Calls[C]['response']> {
    const { path, responseDeserialize } = METHODS[name]
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + deadlineMs }
      this.client.makeUnaryRequest(
        path,
        (raw: Buffer) => raw,
        responseDeserialize,
        bytes,
        options,
        (error, response) => (error === null ? resolve(response!) : reject(new CallError(error))),
      )
    })
  }

  /** How the call was refused. */
  async refusalOf<C extends keyof Calls>(
    name: C,
    request: Calls[C]['request'],
    deadlineMs?: number,
  ): Promise<Ending> {
    return await refusalOf(this.call(name, request, deadlineMs))
  }

  async openSession(ttlMs = 30_000): Promise<wire.Session> {
    const { session } = await this.call('openSession', { ttlMs, label: '', key: 0 })
    return session!
  }

  /** The node only; the client stays, to see what it is told. */
  stopNode(): Promise<void> {
    this.#stopping ??= this.#node.stop()
    return this.#stopping
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.stopNode()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

export async function refusalOf(call: Promise<unknown>): Promise<Ending> {
  const answer = await call.catch((error: unknown) => error)
  if (answer instanceof CallError) return answer
  throw new Error(`not refused: ${JSON.stringify(answer)}`)
}

/** Asks again and again; rejects if it does not become true in time. */
export async function until(isTrue: () => boolean | Promise<boolean>, withinMs = ANSWER_MS): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`still not so after ${withinMs} ms: ${isTrue}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
