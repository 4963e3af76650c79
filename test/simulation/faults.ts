import type { NodeId } from '../../raft/index.js'
import type { Client } from './client.js'
import type { ClientNetwork } from './client-network.js'
import type { Cluster } from './cluster.js'
import type { History } from './history.js'
import type { Paths, Weather } from './paths.js'
import { hostOf, type WildNetwork } from './peer-link.js'
import type { PeerNetwork } from './peer-network.js'
import type { Process } from './process.js'
import type { Random } from './random.js'
import type { Effect } from './site.js'
import type { World } from './world.js'

export interface FaultsParts {
  readonly world: World
  readonly random: Random
  readonly history: History
  readonly cluster: Cluster
  readonly paths: Paths
  readonly peers: PeerNetwork
  /** Of the peers' network, and of the clients'. */
  readonly weathers: readonly Weather[]
  readonly wild: WildNetwork | undefined
  readonly clientNetwork: ClientNetwork
  readonly clients: () => readonly Client[]
  /** Processes of clients that hold a lock now. */
  readonly holders: () => readonly Process[]
  /** A client process dies, and another takes its place. */
  readonly replaceClient: (client: Client) => void
  readonly onAwake: (process: Process) => void
  /** How long from one fault to the next, on average, in ms. */
  readonly pauseMs: number
}

const LEAST_MS = 20
/** Those that are rare more often than others. */
const EFFECTS: readonly Effect[] = [
  'send',
  'snapshot',
  'snapshot',
  'write',
  'checkpoint',
  'compact',
  'install',
  'install',
]

/**
 * Trouble, one after the other and over each other: each fault happens at a random moment, lasts, and is undone by itself.
 * A seed has some kinds of faults only, for those that always come together hide each other.
 */
export class Faults {
  readonly #parts: FaultsParts
  readonly #kinds: (() => void)[]
  readonly #undo = new Set<() => void>()
  readonly #lastsMs: number
  readonly #fairWeathers: readonly Weather[]
  readonly #usualWildness: WildNetwork | undefined
  #storms = 0
  #awayUntilMs = 0
  #over = false
  count = 0

  constructor(parts: FaultsParts) {
    this.#parts = parts
    const { random, weathers, wild } = parts
    this.#fairWeathers = weathers.map((weather) => ({ ...weather }))
    this.#usualWildness = wild && { ...wild }
    this.#lastsMs = random.pick([200, 1_000, 3_000])
    const ofClients = [
      this.#cutClient,
      this.#flapClient,
      this.#resetClients,
      this.#storm,
      this.#freezeClient,
      this.#blockClient,
      this.#killClient,
    ]
    const ofNodes = [
      this.#crash,
      this.#crashAmidst,
      this.#away,
      this.#powerCut,
      this.#orderlyStop,
      this.#freezeNode,
      this.#splitPeers,
      this.#isolateLeader,
      this.#splitChange,
      this.#oneWay,
      this.#resetPeers,
      this.#failTransfers,
      this.#slowDisk,
      this.#storm,
    ]
    const ofDisks = [this.#away, this.#crashAmidst, this.#orderlyStop, this.#slowDisk]
    const all = random
      .pick([ofClients, ofNodes, ofDisks, [...ofClients, ...ofNodes]])
      .map((kind) => kind.bind(this))
    const some = random.some(all, random.pick([0.2, 0.5, 0.9]))
    this.#kinds = some.length === 0 ? [random.pick(all)] : some
    this.#next()
  }

  /** Everything is undone and nothing new begins. */
  end(): void {
    this.#over = true
    for (const undo of [...this.#undo]) undo()
    this.#parts.cluster.settle()
  }

  /**
   * Three times in a row the leader hands over, and nobody takes over within this time. Returns how long it proposes nothing
   * at most: together they make no TTL longer than one of them does.
   */
  failTransfers(withinMs: number): number {
    const { world, peers, cluster } = this.#parts
    const pausedMs = withinMs + 50
    peers.losesTransfers = true
    for (let time = 0; time < 3; time++) {
      world.plan(time * pausedMs, () => {
        const { leader } = cluster
        const other = cluster.members?.find(({ id }) => id !== leader?.id)
        if (other !== undefined) leader?.replica.transfer(other.id, () => undefined)
      })
    }
    return pausedMs
  }

  #next(): void {
    const { world, random } = this.#parts
    world.plan(random.exponential(this.#parts.pauseMs), () => {
      if (this.#over) return
      this.count++
      random.pick(this.#kinds)()
      this.#next()
    })
  }

  #during(undo: () => void, lastsMs = LEAST_MS + this.#parts.random.exponential(this.#lastsMs)): void {
    const { world } = this.#parts
    const once = (): void => {
      if (this.#undo.delete(once)) undo()
    }
    this.#undo.add(once)
    world.plan(lastsMs, once)
  }

  // ---- nodes

  #crash(): void {
    const { cluster, random } = this.#parts
    const id = this.#target()
    cluster.crash(id)
    // Sooner or later; sometimes at once.
    if (random.chance(0.2)) cluster.start(id)
    else this.#during(() => cluster.start(id))
  }

  /** In the midst of what a step has to send, of a snapshot on either side, of any change of the disk. */
  #crashAmidst(): void {
    this.#crashAt(this.#target(), this.#parts.random.pick(EFFECTS), 4)
  }

  #crashAt(id: NodeId, effect: Effect, countMax: number): void {
    const { cluster, random } = this.#parts
    const then = (): void => {
      if (random.chance(0.5)) this.#parts.world.plan(random.between(1, 50), () => cluster.start(id))
      else this.#during(() => cluster.start(id))
    }
    cluster.crashAt(id, { effect, count: random.integer(1, countMax), then })
  }

  /**
   * A node misses so much that it needs a snapshot; its clients may stay with it. Sometimes hardly is it back when it
   * goes again, and another snapshot follows, or meets the first.
   */
  #away(): void {
    const { world, random, cluster } = this.#parts
    // The others go on only if all of them are there.
    if (this.#awayUntilMs > world.nowMs || cluster.running.length < cluster.ids.length) return
    const id = this.#target()
    const lastsMs = random.between(1_000, 5_000)
    this.#awayUntilMs = world.nowMs + lastsMs
    this.#leave(id, lastsMs)
    if (random.chance(0.5)) this.#crashByHalves(id)
    else world.plan(lastsMs + random.exponential(100), () => !this.#over && this.#leaveAgain(id))
  }

  #leaveAgain(id: NodeId): void {
    this.#leave(id, this.#parts.random.between(500, 3_000))
  }

  /** When it is back and gets a snapshot, the receiver crashes in the midst of it, or the sender. */
  #crashByHalves(id: NodeId): void {
    const { cluster, random } = this.#parts
    const effect = random.pick<Effect>(['snapshot', 'install', 'install'])
    const victim = effect === 'install' ? id : random.pick([id, cluster.leader?.id ?? id])
    this.#crashAt(victim, effect, effect === 'snapshot' ? 6 : 1)
  }

  #leave(id: NodeId, lastsMs: number): void {
    const { cluster, random } = this.#parts
    if (random.chance(0.5)) {
      const others = cluster.ids.filter((other) => other !== id)
      this.#cut(
        others.flatMap((other) => bothWays(hostOf(id), hostOf(other))),
        lastsMs,
      )
    } else {
      cluster.crash(id)
      this.#during(() => cluster.start(id), lastsMs)
    }
  }

  #powerCut(): void {
    const { cluster } = this.#parts
    for (const id of cluster.ids) {
      cluster.crash(id)
      this.#during(() => cluster.start(id))
    }
  }

  #orderlyStop(): void {
    const { cluster } = this.#parts
    const id = this.#target()
    cluster.stop(id, () => this.#during(() => cluster.start(id)))
  }

  #freezeNode(): void {
    const process = this.#parts.cluster.node(this.#target())?.process
    if (process !== undefined) this.#freeze(process)
  }

  #slowDisk(): void {
    const { cluster, random, history } = this.#parts
    const id = this.#target()
    const max = random.pick([30, 300, 3_000])
    history.note(hostOf(id), `disk slow: ${max}`)
    cluster.setSyncMs(id, { min: max / 3, max })
    this.#during(() => cluster.setSyncMs(id))
  }

  /** The leader more often than others: most things happen there. */
  #target(): number {
    const { cluster, random } = this.#parts
    const { leader } = cluster
    return leader !== undefined && random.chance(0.4) ? leader.id : random.pick(cluster.ids)
  }

  // ---- the network

  #splitPeers(): void {
    const { cluster, random } = this.#parts
    const side = random.some(cluster.ids, 0.5)
    const other = cluster.ids.filter((id) => !side.includes(id))
    const pairs = side.flatMap((a) => other.flatMap((b) => bothWays(hostOf(a), hostOf(b))))
    // Clients may be on one side of it, too.
    const strangers = this.#parts.clients().flatMap(({ process }) => {
      const far = random.pick([side, other, []])
      return far.flatMap((id) => bothWays(process.name, hostOf(id)))
    })
    this.#cut([...pairs, ...strangers])
  }

  #isolateLeader(): void {
    const { cluster, random } = this.#parts
    const { leader } = cluster
    if (leader === undefined) return
    const others = cluster.ids.filter((id) => id !== leader.id)
    const pairs = others.flatMap((id) => bothWays(hostOf(leader.id), hostOf(id)))
    this.#cut(random.chance(0.5) ? pairs : pairs.filter(([from]) => from === hostOf(leader.id)))
  }

  /** Few hear of a change from a leader that is cut off with them, or dies; the others go on without it, and take it back. */
  #splitChange(): void {
    const { cluster, random } = this.#parts
    cluster.whenChanging((leader) => {
      if (this.#over) return
      const others = cluster.ids.filter((id) => id !== leader)
      const companions = random.integer(0, Math.floor(others.length / 2) - 1)
      const side = [leader, ...others.slice(0, companions)]
      const far = others.filter((id) => !side.includes(id))
      const pairs = side.flatMap((a) => far.flatMap((b) => bothWays(hostOf(a), hostOf(b))))
      this.#cut(pairs, random.between(500, 4_000))
      if (random.chance(0.3)) this.#crashAt(leader, random.pick<Effect>(['send', 'write']), 3)
    })
  }

  #oneWay(): void {
    const { cluster, random } = this.#parts
    const pairs = cluster.ids.flatMap((a) =>
      cluster.ids.filter((b) => b !== a).map((b) => [hostOf(a), hostOf(b)] as const),
    )
    this.#cut(random.some(pairs, 0.4))
  }

  #cutClient(): void {
    const { cluster, random } = this.#parts
    const host = this.#victim().name
    const nodes = random.chance(0.5) ? cluster.ids : random.some(cluster.ids, 0.5)
    const pairs = nodes.flatMap((id) => bothWays(host, hostOf(id)))
    this.#cut(random.chance(0.6) ? pairs : random.some(pairs, 0.5), this.#outlastingMs())
  }

  #flapClient(): void {
    this.#flap(this.#victim().name)
  }

  /** What the nodes say is late by a cut; hardly has it arrived when there is another, longer one. */
  #flap(host: string): void {
    const { cluster, random, world, paths, history } = this.#parts
    const mend = paths.cut(cluster.ids.map((id) => [hostOf(id), host]))
    history.note('network', `flaps for ${host}`)
    world.plan(random.between(50, 1_000), () => {
      mend()
      world.plan(random.between(0, 600), () => {
        const pairs = cluster.ids.flatMap((id) => bothWays(host, hostOf(id)))
        if (!this.#over) this.#cut(pairs, this.#outlastingMs())
      })
    })
  }

  /** Longer than some TTLs, or than all. */
  #outlastingMs(): number {
    return this.#parts.random.pick([500, 2_000, 6_000])
  }

  #cut(pairs: readonly (readonly [string, string])[], lastsMs?: number): void {
    this.#parts.history.note('network', `cut ${pairs.map(([from, to]) => `${from}>${to}`).join(' ')}`)
    const undo = this.#parts.paths.cut(pairs)
    this.#during(() => {
      this.#parts.history.note('network', 'mended')
      undo()
    }, lastsMs)
  }

  #resetPeers(): void {
    const { random, peers } = this.#parts
    const share = random.pick([0.2, 1])
    peers.reset(() => random.chance(share))
  }

  /** The leader hands over, and nobody takes over. */
  #failTransfers(): void {
    const { cluster, random, peers } = this.#parts
    const { leader } = cluster
    if (leader === undefined || peers.losesTransfers) return
    peers.losesTransfers = true
    this.#during(() => {
      peers.losesTransfers = false
    })
    leader.replica.transfer(random.pick(cluster.ids), () => undefined)
  }

  #resetClients(): void {
    const { random, clientNetwork } = this.#parts
    const share = random.pick([0.2, 1])
    clientNetwork.reset(() => random.chance(share))
  }

  /** Packets are late, and between peers in a wild network lost and doubled. */
  #storm(): void {
    const { weathers, wild, random } = this.#parts
    this.#storms++
    for (const weather of random.some(weathers, 0.7))
      Object.assign(weather, { latencyMs: random.pick([5, 20, 100]), slowShare: random.pick([0, 0.1]) })
    if (wild !== undefined) Object.assign(wild, { lost: 0.3, doubled: 0.3, belated: 0.05 })
    this.#during(() => {
      if (--this.#storms > 0) return
      weathers.forEach((weather, k) => {
        Object.assign(weather, this.#fairWeathers[k])
      })
      if (wild !== undefined) Object.assign(wild, this.#usualWildness)
    })
  }

  // ---- clients

  #freezeClient(): void {
    this.#freeze(this.#victim())
  }

  /** Something keeps its event loop busy. Sometimes its stand-in has trouble meanwhile. */
  #blockClient(): void {
    const victim = this.#victim()
    this.#freeze(victim, 'blocked')
    if (this.#parts.random.chance(0.5)) this.#flap(victim.name)
  }

  /** Who holds a lock more often than others: most is at stake there. */
  #victim(): Process {
    const { random, clients, holders } = this.#parts
    const holding = holders()
    return holding.length > 0 && random.chance(0.6) ? random.pick(holding) : random.pick(clients()).process
  }

  #killClient(): void {
    this.#parts.replaceClient(this.#parts.random.pick(this.#parts.clients()))
  }

  #freeze(process: Process, how: 'stopped' | 'blocked' = 'stopped'): void {
    if (!process.awake) return
    const { history, onAwake } = this.#parts
    history.note(process.name, how)
    if (how === 'stopped') process.stop()
    else process.block()
    this.#during(() => {
      if (!process.alive) return
      history.note(process.name, 'continues')
      onAwake(process)
      process.continue()
    })
  }
}

function bothWays(a: string, b: string): [string, string][] {
  return [
    [a, b],
    [b, a],
  ]
}
