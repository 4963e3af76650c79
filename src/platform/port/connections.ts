import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { systemClock } from '../clock.js'
import { type ConnectionState, PortConnection } from './connection.js'
import { type PortFigures, type PortLimits, UNTAKEN_BYTES_FREE } from './limits.js'
import type { Meter, MeteredCall, Status } from './metered-call.js'

export interface ConnectionsOptions {
  readonly limits: PortLimits
  /** How the service says that it has no room now, or that a client asks too much. */
  readonly refused: (code: 'BUSY' | 'LIMIT', reason: string) => Status
  /** Time in ms, and a call after that time. */
  readonly clock: Pick<typeof systemClock, 'nowMs' | 'after'>
  readonly logger: Logger
  /** For the log: who connects here. */
  readonly whom: string
}

const SWEEP_MS = 1_000
/** Calls of one connection, from one sweep to the next. */
const GIVEN_UP_MAX = 256

/** The connections of one port: which may come, what each may cost, and which must go. */
export class Connections implements Meter {
  readonly #options: ConnectionsOptions
  readonly #limits: PortLimits
  readonly #byKey = new Map<string, PortConnection>()
  /** Those of each state, the one that has been in it for the longest time first. */
  readonly #of: Record<ConnectionState, Set<PortConnection>> = {
    silent: new Set(),
    idle: new Set(),
    busy: new Set(),
  }
  readonly #countOf = new Map<string, number>()
  #nextSweep: { cancel(): void }
  nowMs: number
  #calls = 0
  #bufferedBytes = 0
  #refused = 0
  #closed = 0
  #callsRefused = 0
  #trimDue = false
  /** Why connections were refused or closed since the last sweep. */
  readonly #reasons = new Map<string, number>()

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#limits = options.limits
    this.nowMs = options.clock.nowMs()
    this.#nextSweep = this.#sweepSoon()
  }

  get figures(): PortFigures {
    const { connectionsMax, connectionsPerAddressMax, callsMax, callsPerConnectionMax } = this.#limits
    const { bufferedBytesMax, bufferedBytesPerConnectionMax } = this.#limits
    return {
      connections: this.#byKey.size,
      connectionsMax,
      connectionsPerAddressMax,
      calls: this.#calls,
      callsMax,
      callsPerConnectionMax,
      bufferedBytes: this.#bufferedBytes,
      bufferedBytesMax,
      bufferedBytesPerConnectionMax,
      connectionsRefused: this.#refused,
      connectionsClosed: this.#closed,
      callsRefused: this.#callsRefused,
    }
  }

  /** By the other end, as gRPC names it: 'address:port'. */
  get(key: string): PortConnection | undefined {
    return this.#byKey.get(key)
  }

  /** Whether the connection may stay. If there is no room, one that has asked for nothing yet has to leave for it. */
  admit(socket: Socket): boolean {
    const connection = new PortConnection(socket, this.nowMs)
    if (!this.#makeRoom(connection.address)) {
      this.#refused++
      return false
    }
    this.#byKey.set(connection.key, connection)
    this.#of.silent.add(connection)
    this.#countOf.set(connection.address, (this.#countOf.get(connection.address) ?? 0) + 1)
    socket.once('close', () => this.#remove(connection))
    return true
  }

  /** A call begins. Why it is refused, if it is. */
  refusalOf(connection: PortConnection): Status | undefined {
    const { callsPerConnectionMax, callsMax } = this.#limits
    if (connection.calls.size >= callsPerConnectionMax) {
      const remedy = 'repeat this one later, or over another connection'
      return this.#refuse(`${callsPerConnectionMax} calls are in progress on this connection; ${remedy}`)
    }
    if (this.#calls >= callsMax)
      return this.#refuse(`${callsMax} calls are in progress here; repeat this one later, or at another node`)
    return this.untaken(connection)
  }

  opened(connection: PortConnection, call: MeteredCall): void {
    connection.calls.add(call)
    this.#calls++
  }

  spoke(connection: PortConnection): void {
    this.#enter(connection, 'busy')
  }

  ended(connection: PortConnection, call: MeteredCall): void {
    call.closed()
    if (!connection.calls.delete(call)) return
    this.#calls--
    if (connection.calls.size === 0 && connection.state === 'busy') this.#enter(connection, 'idle')
  }

  received(connection: PortConnection, bytes: number): void {
    if (!this.#has(connection)) return
    connection.receivedBytes += bytes
    this.#bufferedBytes += bytes
    if (bytes > 0) this.#trimIfNeeded(connection.receivedBytes)
  }

  waiting(connection: PortConnection, bytes: number): void {
    if (!this.#has(connection)) return
    if (bytes < 0 || connection.waitingBytes === 0) connection.takenAtMs = this.nowMs
    connection.waitingBytes += bytes
    this.#bufferedBytes += bytes
    if (bytes > 0) this.#trimIfNeeded(0)
  }

  untaken(connection: PortConnection): Status | undefined {
    const max = this.#limits.bufferedBytesPerConnectionMax
    if (connection.waitingBytes < max) return undefined
    return this.#refuse(
      `${connection.waitingBytes} bytes of replies wait on this connection; read faster, or ask for less at once`,
    )
  }

  /** A call was given up by its client before it began. */
  gaveUp(connection: PortConnection): void {
    if (++connection.givenUp > GIVEN_UP_MAX)
      this.abused(connection, `more than ${GIVEN_UP_MAX} calls reset within a second`)
  }

  abused(connection: PortConnection, reason: string): void {
    if (this.#has(connection)) this.#cut(connection, reason)
  }

  /** All that are left. */
  close(): void {
    this.#nextSweep.cancel()
    for (const connection of [...this.#byKey.values()]) connection.cut()
  }

  tooLarge(what: string, bytes: number, max: number): Status {
    this.#callsRefused++
    return this.#options.refused('LIMIT', `${what} of ${bytes} bytes or more, and ${max} is the limit here`)
  }

  #refuse(reason: string): Status {
    this.#callsRefused++
    return this.#options.refused('BUSY', reason)
  }

  #has(connection: PortConnection): boolean {
    return this.#byKey.get(connection.key) === connection
  }

  #makeRoom(address: string): boolean {
    const { connectionsMax, connectionsPerAddressMax } = this.#limits
    if ((this.#countOf.get(address) ?? 0) >= connectionsPerAddressMax)
      return this.#giveUpOne(`more than ${connectionsPerAddressMax} connections from one address`, address)
    if (this.#byKey.size < connectionsMax) return true
    return this.#giveUpOne(`more than ${connectionsMax} connections`, undefined)
  }

  /** The one without calls that has been so for the longest time; those that have never had one first. */
  #giveUpOne(reason: string, address: string | undefined): boolean {
    for (const connections of [this.#of.silent, this.#of.idle]) {
      for (const connection of connections) {
        if (address !== undefined && connection.address !== address) continue
        this.#cut(connection, reason)
        return true
      }
    }
    this.#note(reason)
    return false
  }

  #enter(connection: PortConnection, state: ConnectionState): void {
    if (connection.state === state || !this.#has(connection)) return
    this.#of[connection.state].delete(connection)
    this.#of[state].add(connection)
    connection.state = state
    connection.sinceMs = this.nowMs
  }

  #remove(connection: PortConnection): void {
    if (!this.#has(connection)) return
    this.#byKey.delete(connection.key)
    this.#of[connection.state].delete(connection)
    this.#bufferedBytes -= connection.bufferedBytes
    this.#calls -= connection.calls.size
    connection.calls.clear()
    const count = this.#countOf.get(connection.address)! - 1
    if (count > 0) this.#countOf.set(connection.address, count)
    else this.#countOf.delete(connection.address)
  }

  #trimIfNeeded(receivedBytes: number): void {
    const { bufferedBytesMax, bufferedBytesPerConnectionMax } = this.#limits
    if (this.#trimDue) return
    if (receivedBytes <= bufferedBytesPerConnectionMax && this.#bufferedBytes <= bufferedBytesMax) return
    // Messages that came whole have been delivered by then.
    this.#trimDue = true
    setImmediate(() => this.#trim())
  }

  #trim(): void {
    this.#trimDue = false
    const { bufferedBytesMax, bufferedBytesPerConnectionMax } = this.#limits
    const descending = [...this.#byKey.values()].sort((a, b) => b.bufferedBytes - a.bufferedBytes)
    for (const connection of descending) {
      if (connection.receivedBytes > bufferedBytesPerConnectionMax)
        this.#cut(connection, `parts of messages of more than ${bufferedBytesPerConnectionMax} bytes`)
      else if (this.#bufferedBytes > bufferedBytesMax)
        this.#cut(connection, `most of the ${bufferedBytesMax} bytes that may wait at this port`)
    }
  }

  #sweepSoon(): { cancel(): void } {
    return this.#options.clock.after(SWEEP_MS, () => {
      this.#nextSweep = this.#sweepSoon()
      this.#sweep()
    })
  }

  #sweep(): void {
    const { silentMsMax, idleMsMax, messageMsMax, untakenMsMax } = this.#limits
    this.nowMs = this.#options.clock.nowMs()
    for (const connection of [...this.#byKey.values()]) {
      connection.givenUp = 0
      const forMs = this.nowMs - connection.sinceMs
      if (connection.state === 'silent' && forMs > silentMsMax)
        this.#cut(connection, `no request within ${silentMsMax} ms`)
      else if (connection.state === 'idle' && forMs > idleMsMax) connection.end()
      else if (
        connection.waitingBytes > UNTAKEN_BYTES_FREE &&
        this.nowMs - connection.takenAtMs > untakenMsMax
      )
        this.#cut(connection, `no reply taken for ${untakenMsMax} ms`)
      else for (const call of connection.calls) call.sweep(this.nowMs, messageMsMax)
    }
    this.#report()
  }

  #cut(connection: PortConnection, reason: string): void {
    this.#closed++
    this.#note(reason)
    this.#remove(connection)
    connection.cut()
  }

  #note(reason: string): void {
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1)
  }

  #report(): void {
    for (const [reason, count] of this.#reasons)
      this.#options.logger.warn({ reason, count }, `connections of ${this.#options.whom} refused or closed`)
    this.#reasons.clear()
  }
}
