import { once } from 'node:events'
import { Client, type ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import type { LogStart, NodeId } from '../../raft/index.js'
import type { IntactParts, LogPosition, SnapshotChunk, SnapshotSource } from '../replica/ports.js'
import { encodeHello } from './hello.js'
import { ANSWER_MS } from './limits.js'
import { decodeChunk, decodeLog, decodeStart, encodeQuestion, type Question } from './salvage-questions.js'
import { CHANNEL_OPTIONS, CLIENT_CREDENTIALS, SALVAGE } from './service.js'

/** A damaged disk may not know any of it. */
const NOTHING_TOLD = { configIndex: 0, level: 0, disk: 0, lastIndex: 0, incarnation: 0 }

/** Who asks, and whom. */
export interface SalvageCall {
  readonly clusterId: string
  readonly from: NodeId
  readonly to: NodeId
  /** 'host:port' of the peer. */
  readonly address: string
}

/** What a peer has on its disk. Whatever is asked of one that does not answer, or answers nonsense, rejects. */
export class SalvagePeer implements IntactParts {
  readonly #client: Client
  readonly #stream: ClientDuplexStream<Buffer, Buffer>

  private constructor({ address }: SalvageCall) {
    this.#client = new Client(address, CLIENT_CREDENTIALS, CHANNEL_OPTIONS)
    const { path, requestSerialize, responseDeserialize } = SALVAGE
    this.#stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      new Metadata(),
    )
    // Who waits for an answer is told.
    this.#stream.on('error', () => {})
  }

  /** Rejects if the peer can't be reached, or refuses. */
  static async call(call: SalvageCall): Promise<SalvagePeer> {
    const { clusterId, from, to } = call
    const peer = new SalvagePeer(call)
    try {
      await peer.#exchange(encodeHello({ clusterId, from, to, address: '', ...NOTHING_TOLD }))
      return peer
    } catch (error) {
      peer.close()
      throw error
    }
  }

  async logUpTo(last: LogPosition): Promise<readonly Uint8Array[]> {
    return decodeLog(await this.#ask({ kind: 'log', last }))
  }

  /** One at a time. */
  async openCheckpoint(): Promise<SnapshotSource | undefined> {
    const start = decodeStart(await this.#ask({ kind: 'checkpoint' }))
    return start && this.#checkpoint(start)
  }

  close(): void {
    this.#stream.cancel()
    this.#client.close()
  }

  #checkpoint(start: LogStart): SnapshotSource {
    return {
      start,
      chunk: async (sequence: number): Promise<SnapshotChunk> =>
        decodeChunk(await this.#ask({ kind: 'chunk', sequence }), sequence),
      close: async () => {},
    }
  }

  #ask(question: Question): Promise<Buffer> {
    return this.#exchange(encodeQuestion(question))
  }

  async #exchange(frame: Buffer): Promise<Buffer> {
    const over = new AbortController()
    const late = setTimeout(() => over.abort(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS)
    const { signal } = over
    const hungUp = once(this.#stream, 'end', { signal }).then(() => Promise.reject(new Error('it hung up')))
    const answered = once(this.#stream, 'data', { signal })
    this.#stream.write(frame)
    try {
      const [answer] = await Promise.race([answered, hungUp])
      return answer as Buffer
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      clearTimeout(late)
      over.abort()
    }
  }
}
