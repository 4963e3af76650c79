import { Server, type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { NodeId } from '../../raft/index.js'
import { listen } from '../platform/listen.js'
import type { IntactParts, SnapshotSource } from '../replica/ports.js'
import { FrameError } from './fields.js'
import { decodeHello, encodeWelcome, salvageRefusal } from './hello.js'
import { decodeQuestion, encodeChunk, encodeLog, encodeStart, type Question } from './salvage-questions.js'
import { SALVAGE, SERVER_OPTIONS } from './service.js'

export interface SalvageAnswersOptions {
  readonly clusterId: string
  readonly self: NodeId
  /** What there is on the disk of this node. */
  readonly parts: IntactParts
  readonly logger: Logger
}

type SalvageStream = ServerDuplexStream<Buffer, Buffer>

/** Tells peers whose disks are damaged what this node has on its own. */
export class SalvageAnswers {
  readonly #options: SalvageAnswersOptions

  constructor(options: SalvageAnswersOptions) {
    this.#options = options
  }

  /** Of a node that does nothing else at its peer port. Rejects with a `ListenError`. */
  async listen(address: string): Promise<Server> {
    const server = new Server(SERVER_OPTIONS)
    server.addService({ salvage: SALVAGE }, { salvage: (stream: SalvageStream) => this.accept(stream) })
    await listen(server, address, 'peers')
    return server
  }

  accept(stream: SalvageStream): void {
    stream.on('error', () => {})
    this.#converse(stream).then(
      () => stream.end(),
      (error: unknown) => this.#refuse(stream, error),
    )
  }

  async #converse(stream: SalvageStream): Promise<void> {
    let checkpoint: SnapshotSource | undefined
    let isGreeted = false
    try {
      for await (const frame of stream as AsyncIterable<Buffer>) {
        if (!isGreeted) stream.write(this.#greet(frame))
        else {
          const question = decodeQuestion(frame)
          if (question.kind === 'checkpoint') {
            await checkpoint?.close()
            checkpoint = await this.#options.parts.openCheckpoint()
          }
          stream.write(await this.#answer(question, checkpoint))
        }
        isGreeted = true
      }
    } finally {
      await checkpoint?.close()
    }
  }

  #greet(frame: Buffer): Buffer {
    const { clusterId, self } = this.#options
    const refused = salvageRefusal(decodeHello(frame), clusterId, self)
    if (refused !== undefined) throw new FrameError(refused.reason)
    return encodeWelcome()
  }

  async #answer(question: Question, checkpoint: SnapshotSource | undefined): Promise<Buffer> {
    switch (question.kind) {
      case 'log':
        return encodeLog(await this.#options.parts.logUpTo(question.last))
      case 'checkpoint':
        return encodeStart(checkpoint?.start)
      case 'chunk':
        if (checkpoint === undefined) throw new FrameError('a chunk of no checkpoint')
        return encodeChunk(await checkpoint.chunk(question.sequence))
    }
  }

  #refuse(stream: SalvageStream, error: unknown): void {
    // It has what it wanted.
    if (stream.cancelled) return
    const details = error instanceof Error ? error.message : String(error)
    this.#options.logger.warn({ reason: details, remote: stream.getPeer() }, 'salvage refused')
    const code = error instanceof FrameError ? status.FAILED_PRECONDITION : status.UNAVAILABLE
    stream.emit('error', { code, details })
  }
}
