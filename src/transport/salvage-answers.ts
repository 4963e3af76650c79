import { type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import type { NodeId } from '../../raft/index.js'
import { systemClock } from '../platform/clock.js'
import type { GrpcPort } from '../platform/port/index.js'
import type { IntactParts, SnapshotSource } from '../replica/ports.js'
import { FrameError } from './frame-error.js'
import { decodeHello, encodeWelcome, salvageRefusal } from './hello.js'
import { QUESTION_MS, SALVAGE_CONNECTIONS_MAX } from './limits.js'
import { decodeQuestion, encodeChunk, encodeLog, encodeStart, type Question } from './salvage-questions.js'
import { peerPort, SALVAGE } from './service.js'

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
  async listen(address: string): Promise<GrpcPort> {
    const port = peerPort(SALVAGE_CONNECTIONS_MAX, systemClock, this.#options.logger)
    port.addService({ salvage: SALVAGE }, { salvage: (stream: SalvageStream) => this.accept(stream) })
    await port.listen(address)
    return port
  }

  accept(stream: SalvageStream): void {
    new Conversation(stream, this.#options)
  }
}

/** One peer's questions, each answered before the next is heard. */
class Conversation {
  readonly #stream: SalvageStream
  readonly #options: SalvageAnswersOptions
  #isGreeted = false
  #checkpoint: SnapshotSource | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(stream: SalvageStream, options: SalvageAnswersOptions) {
    this.#stream = stream
    this.#options = options
    const silence = setTimeout(
      () => this.#refuse(new FrameError(`no question within ${QUESTION_MS} ms`)),
      QUESTION_MS,
    )
    stream.on('data', (frame: Buffer) => {
      silence.refresh()
      stream.pause()
      this.#work = this.#work.then(() => this.#hear(frame))
    })
    stream.on('error', () => {})
    stream.on('end', () => stream.end())
    stream.on('close', () => {
      clearTimeout(silence)
      this.#work = this.#work.then(() => this.#checkpoint?.close())
    })
  }

  async #hear(frame: Buffer): Promise<void> {
    try {
      const answer = this.#isGreeted ? await this.#answer(decodeQuestion(frame)) : this.#greet(frame)
      this.#stream.write(answer)
      this.#stream.resume()
    } catch (error) {
      this.#refuse(error)
    }
  }

  #greet(frame: Buffer): Buffer {
    const { clusterId, self } = this.#options
    const refused = salvageRefusal(decodeHello(frame), clusterId, self)
    if (refused !== undefined) throw new FrameError(refused.reason)
    this.#isGreeted = true
    return encodeWelcome()
  }

  async #answer(question: Question): Promise<Buffer> {
    const { parts } = this.#options
    switch (question.kind) {
      case 'log':
        return encodeLog(await parts.logUpTo(question.last))
      case 'checkpoint':
        await this.#checkpoint?.close()
        this.#checkpoint = undefined
        this.#checkpoint = await parts.openCheckpoint()
        return encodeStart(this.#checkpoint?.start)
      case 'chunk':
        if (this.#checkpoint === undefined) throw new FrameError('a chunk of no checkpoint')
        return encodeChunk(await this.#checkpoint.chunk(question.sequence))
    }
  }

  #refuse(error: unknown): void {
    const details = error instanceof Error ? error.message : String(error)
    this.#options.logger.warn({ reason: details, remote: this.#stream.getPeer() }, 'salvage refused')
    const code = error instanceof FrameError ? status.FAILED_PRECONDITION : status.UNAVAILABLE
    this.#stream.emit('error', { code, details })
  }
}
