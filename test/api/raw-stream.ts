import type { ClientDuplexStream, StatusObject } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import {
  type Answer,
  type ClientFrame,
  type Hello,
  LockkeeperClient,
  RefusalCode,
  type Request,
  type ServerFrame,
  type Session,
  type Welcome,
} from '../../src/protocol/lockkeeper.js'
import { type Ending, refusalCode, until } from './one-node.js'
import { PLAIN_CLAIM, PLAIN_RELEASE } from './plain.js'

export type Operation = NonNullable<Request['operation']>

const { path, requestSerialize, responseDeserialize } = LockkeeperClient.service.attach

export function helloOf(session: Session, more: Partial<Hello> = {}): ClientFrame {
  const hello = { protocolVersion: 1, clusterId: '', session, ttlMs: 30_000, label: '', ...more }
  return { hello, requests: [] }
}

export function acquire(name: string, waitMs?: number): Operation {
  return { $case: 'acquire', value: { ...PLAIN_CLAIM, names: [name], waitMs } }
}

export const CANCEL: Operation = { $case: 'cancel', value: {} }
export const RENEW: Operation = { $case: 'renew', value: {} }
export const CLOSE: Operation = { $case: 'close', value: {} }

export function release(token: number): Operation {
  return { $case: 'release', value: { ...PLAIN_RELEASE, token } }
}

let nextKey = 1_000

/** A key that no other session of this test process has. */
export function newKey(): number {
  return ++nextKey
}

/** An Attach stream, frame by frame, down to its bytes. */
export class RawStream {
  readonly frames: ServerFrame[] = []
  ending: Ending | undefined
  readonly #stream: ClientDuplexStream<Buffer, ServerFrame>

  constructor(client: LockkeeperClient) {
    this.#stream = client.makeBidiStreamRequest(path, (raw: Buffer) => raw, responseDeserialize)
    this.#stream.on('data', (frame: ServerFrame) => this.frames.push(frame))
    this.#stream.on('error', () => undefined)
    this.#stream.on('status', ({ code, details, metadata }: StatusObject) => {
      this.ending = { status: status[code]!, code: refusalCode(metadata), message: details }
    })
  }

  /** Welcomed; by default with a session of its own. */
  static async attach(
    client: LockkeeperClient,
    session: Session = { id: 0, key: newKey() },
  ): Promise<RawStream> {
    const stream = new RawStream(client)
    stream.send(helloOf(session))
    await stream.welcome()
    return stream
  }

  send(frame: ClientFrame): void {
    this.sendRaw(requestSerialize(frame))
  }

  sendRaw(bytes: Buffer): void {
    this.#stream.write(bytes)
  }

  ask(slot: number, seq: number, operation: Operation | undefined): void {
    this.send({ hello: undefined, requests: [{ slot, seq, operation }] })
  }

  /** Asks, and resolves with the first answer that has these numbers and came after. */
  async answerTo(slot: number, seq: number, operation: Operation | undefined): Promise<string> {
    const before = this.answers(slot, seq).length
    this.ask(slot, seq, operation)
    await until(() => this.answers(slot, seq).length > before || this.ending !== undefined)
    return this.answers(slot, seq)[before] ?? `ended: ${this.ending?.code}`
  }

  /** What came for these numbers: 'granted 7', 'refused TIMEOUT', 'released', … */
  answers(slot: number, seq: number): string[] {
    const all = this.frames.flatMap(({ answers }) => answers)
    return all.filter((answer) => answer.slot === slot && answer.seq === seq).map(inWords)
  }

  async answered(slot: number, seq: number, words: string): Promise<void> {
    await until(() => this.answers(slot, seq).includes(words))
  }

  async welcome(): Promise<Welcome> {
    await until(() => this.frames.length > 0 || this.ending !== undefined)
    const welcome = this.frames[0]?.welcome
    if (welcome === undefined) throw new Error(`no welcome: ${JSON.stringify(this.ending)}`)
    return welcome
  }

  get session(): Session {
    return this.frames[0]!.welcome!.session!
  }

  async end(): Promise<Ending> {
    await until(() => this.ending !== undefined)
    return this.ending!
  }

  /** Reads no more, until `resume`. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Whoever sent all it had to say, and still listens. */
  halfClose(): void {
    this.#stream.end()
  }

  close(): void {
    this.#stream.cancel()
  }
}

function inWords({ result }: Answer): string {
  if (result?.$case === 'granted') return `granted ${result.value.token}`
  if (result?.$case === 'refused') return `refused ${RefusalCode[result.value.code]}`
  return `${result?.$case}`
}

export function tokenOf(answer: string): number {
  const token = /^granted (\d+)$/.exec(answer)?.[1]
  if (token === undefined) throw new Error(`not granted: ${answer}`)
  return Number(token)
}
