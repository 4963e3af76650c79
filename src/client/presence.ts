import type { Ports, StandInOwner, StandInThread, Timer } from './ports.js'
import type { Route } from './route.js'
import type { Duty } from './stand-in.js'

/** Signs of life in one TTL: the stand-in must not miss one by chance. */
const SIGNS = 10

/** Starts the stand-in of a session, and tells it, as long as the event loop here turns, that it does. */
export class Presence {
  readonly #clock: Ports['clock']
  readonly #route: Route
  readonly #standIn: StandInThread
  readonly #everyMs: number
  #timer: Timer | undefined

  constructor(ports: Ports, route: Route, duty: Duty, owner: StandInOwner) {
    this.#clock = ports.clock
    this.#route = route
    this.#standIn = ports.startStandIn(duty, owner)
    this.#everyMs = duty.ttlMs / SIGNS
    this.#tell()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#standIn.stop()
  }

  #tell(): void {
    this.#standIn.tell({ turnedMs: this.#clock.nowMs(), topology: this.#route.topology })
    this.#timer = this.#clock.after(this.#everyMs, () => this.#tell())
  }
}
