import type { ClientReadableStream, StatusObject } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import {
  type Change,
  Change_Kind,
  type LockkeeperClient,
  type NameState,
  type WatchPart,
} from '../../src/protocol/lockkeeper.js'
import { type Ending, refusalCode, until } from './one-node.js'

/** A Watch, part by part. */
export class RawWatch {
  readonly parts: WatchPart[] = []
  ending: Ending | undefined
  readonly #stream: ClientReadableStream<WatchPart>

  constructor(client: LockkeeperClient, name: string, afterRevision?: number) {
    this.#stream = client.watch({ name, afterRevision })
    this.#stream.on('data', (part: WatchPart) => this.parts.push(part))
    this.#stream.on('error', () => undefined)
    this.#stream.on('status', ({ code, details, metadata }: StatusObject) => {
      this.ending = { status: status[code]!, code: refusalCode(metadata), message: details }
    })
  }

  /** Resolves when the first part is there. */
  static async begin(client: LockkeeperClient, name: string, afterRevision?: number): Promise<RawWatch> {
    const watch = new RawWatch(client, name, afterRevision)
    await until(() => watch.parts.length > 0 || watch.ending !== undefined)
    if (watch.ending !== undefined) throw new Error(`no part: ${JSON.stringify(watch.ending)}`)
    return watch
  }

  get changes(): Change[] {
    return this.parts.flatMap(({ changes }) => changes)
  }

  /** 'granted 7', 'queued 0', 'left 7 released', … in order. */
  get words(): string[] {
    return this.changes.map(({ kind, claim, reason }) =>
      `${Change_Kind[kind]!.toLowerCase()} ${claim?.token} ${reason}`.trimEnd(),
    )
  }

  get states(): NameState[] {
    return this.parts.flatMap(({ state }) => state ?? [])
  }

  /** All up to here has been told. */
  get revision(): number {
    return this.parts.at(-1)!.revision
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

  async close(): Promise<void> {
    this.#stream.cancel()
    await this.end()
  }
}
