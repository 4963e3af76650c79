import { type CallOptions, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { LockkeeperClient, type Session } from '../../src/protocol/lockkeeper.js'
import { PLAIN_CLAIM, PLAIN_RELEASE } from '../api/plain.js'

const DEADLINE_MS = 5_000

/** A call was not answered, or the answer was no: `code` is the cluster's, or gRPC's if the cluster gave none. */
export class UnaryError extends Error {
  override readonly name = 'UnaryError'
  readonly code: string

  constructor({ code, details, metadata }: ServiceError) {
    super(details)
    this.code = metadata.get('lockkeeper-code')[0]?.toString() ?? status[code] ?? String(code)
  }
}

type Call<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown

/** One node, one session, one call at a time, as any language would do it: nothing is repeated, nobody moves elsewhere. */
export class UnarySession implements Disposable {
  readonly #client: LockkeeperClient
  #session: Session | undefined
  #seq = 0

  /** Of the node at `address`. Nothing is sent yet. */
  constructor(address: string) {
    this.#client = new LockkeeperClient(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    })
  }

  async open(ttlMs: number): Promise<void> {
    const call = this.#client.openSession.bind(this.#client)
    const { session } = await ask(call, { ttlMs, label: 'unary', key: 0 }, DEADLINE_MS)
    this.#session = session
  }

  /** Another node, and the same session. */
  at(address: string): UnarySession {
    const other = new UnarySession(address)
    other.#session = this.#session
    other.#seq = this.#seq
    return other
  }

  async keepAlive(deadlineMs = DEADLINE_MS): Promise<void> {
    await ask(this.#client.keepAlive.bind(this.#client), { session: this.#session }, deadlineMs)
  }

  /** Resolves with the token. Waits in the queue for `waitMs`. */
  async acquire(name: string, waitMs: number, deadlineMs = DEADLINE_MS): Promise<number> {
    const call = this.#client.acquire.bind(this.#client)
    const request = { ...PLAIN_CLAIM, ...this.#next(), names: [name], waitMs }
    const { token } = await ask(call, request, deadlineMs)
    return token
  }

  async release(token: number, deadlineMs = DEADLINE_MS): Promise<void> {
    await ask(
      this.#client.release.bind(this.#client),
      { ...PLAIN_RELEASE, ...this.#next(), token },
      deadlineMs,
    )
  }

  async close(): Promise<void> {
    await ask(this.#client.closeSession.bind(this.#client), { session: this.#session }, DEADLINE_MS)
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }

  #next() {
    return { session: this.#session, slot: 0, seq: ++this.#seq }
  }
}

/** Rejects with a `UnaryError`, after `deadlineMs` at the latest. */
function ask<Request, Response>(
  call: Call<Request, Response>,
  request: Request,
  deadlineMs: number,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    call(request, new Metadata(), { deadline: Date.now() + deadlineMs }, (error, response) => {
      if (error === null) resolve(response)
      else reject(new UnaryError(error))
    })
  })
}
