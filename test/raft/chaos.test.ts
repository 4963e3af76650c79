import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isJoint, membersOf, type NodeId } from '../../raft/index.js'
import { Cluster, type InFlight, SMALL, type Snapshot, seeded } from './cluster.js'

const SEEDS = Number(process.env.RAFT_SEEDS ?? 300)
const FIRST_SEED = Number(process.env.RAFT_SEED ?? 1)
const EVENTS = 3_000

/** A cluster in trouble: everything that can happen next is chosen at random, from one seed. */
class Chaos {
  readonly random: () => number
  readonly cluster: Cluster
  /** Per node: reads asked, and what was committed anywhere at that moment. */
  readonly asked = new Map<string, number>()
  /** Links cut, as `from>to`. */
  cut = new Set<string>()
  /** Some network loses little, some a lot. */
  readonly loss: number
  /** Share of the crashes that happen. */
  readonly frailty: number
  /** Share of the snapshots that are on their way only for a moment. */
  readonly haste: number
  /** A node whose clock hardly moves (fault 6): it leads long after others have given it up. */
  slow: NodeId = 0
  /** Snapshots that arrived or were lost, of which the sender doesn't know yet. */
  ended: Snapshot[] = []
  installed = 0
  handedOver = 0
  #count = 0

  constructor(seed: number) {
    this.random = seeded(seed)
    const voters = [1, 2, 3, 4, 5].slice(0, this.#pick([1, 3, 3, 5, 5]))
    const ids = this.random() < 0.7 ? [1, 2, 3, 4, 5, 6] : voters
    this.loss = this.#pick([0, 0.02, 0.2])
    this.frailty = this.#pick([0.1, 1])
    this.haste = this.#pick([0.05, 1])
    const tight = { ...SMALL, appendBytesMax: 140, inflightBytesMax: 300, pendingReadsMax: 5 }
    this.cluster = new Cluster(ids, () => this.random, this.#pick([SMALL, tight]), voters)
  }

  event(): void {
    const dice = this.random()
    const id = this.#pick(this.cluster.ids)
    const up = this.cluster.member(id).node !== undefined
    if (!up) {
      if (dice < 0.05) this.cluster.start(id)
      else this.#deliverSome()
    } else if (dice < 0.03) this.#changeMembers()
    else if (dice < 0.05) this.#forget(id)
    else if (dice < 0.055)
      this.cluster.step(this.#likelyLeader(), [{ kind: 'transfer', to: this.#pick(this.cluster.ids) }])
    else if (dice < 0.08) {
      if (this.random() < this.haste) this.#snapshotArrives()
    } else if (dice < 0.1) this.#snapshotEnds()
    else if (dice < 0.3) {
      if (this.random() < this.#pace(id)) this.cluster.step(id, [{ kind: 'tick' }])
    } else if (dice < 0.44) this.cluster.write(id)
    else if (dice < 0.47) this.#propose(this.random() < 0.5 ? id : this.#likelyLeader())
    else if (dice < 0.49) this.#read(id)
    else if (dice < 0.497) {
      if (this.random() < this.frailty) this.#crash(id)
    } else if (dice < 0.501) this.#partition()
    else if (dice < 0.508)
      this.cluster.step(id, [{ kind: 'disconnected', peer: this.#pick(this.cluster.ids) }])
    else this.#deliverSome()
    this.checkReads()
  }

  /** §6.4: a read sees everything that was committed anywhere before it was asked. */
  checkReads(): void {
    for (const member of this.cluster.running) {
      for (const { id, index } of member.reads.splice(0)) {
        const floor = this.asked.get(`${member.id}:${id}`)
        assert(floor !== undefined, 'a verdict for a read that waits, and only one')
        this.asked.delete(`${member.id}:${id}`)
        if (index !== undefined) assert(index >= floor, `stale read: ${index}, committed ${floor}`)
      }
    }
  }

  /** No more faults; every message arrives, every write is done. */
  heal(): void {
    this.cut.clear()
    for (const id of this.cluster.ids) if (this.cluster.member(id).node === undefined) this.cluster.start(id)
    for (let round = 0; round < 12 * SMALL.electionTicks; round++) this.calm()
  }

  /** One tick of a healthy cluster. */
  calm(): void {
    for (const id of this.cluster.ids) this.cluster.step(id, [{ kind: 'tick' }])
    for (let busy = true; busy; ) {
      const arriving = this.cluster.network
      this.cluster.network = []
      for (const message of arriving) this.cluster.deliver(message)
      for (const snapshot of this.cluster.snapshots.splice(0)) {
        this.cluster.install(snapshot)
        this.ended.push(snapshot)
      }
      while (this.ended.length > 0) this.#snapshotEnds()
      busy =
        this.cluster.network.length > 0 || this.cluster.running.some((member) => member.pending.length > 0)
      for (const id of this.cluster.ids) this.cluster.write(id)
    }
    this.checkReads()
  }

  demandProgress(): void {
    const leader = this.cluster.leader
    assert(leader !== undefined, 'a leader after healing')
    const { serving, config, configCommitted } = this.cluster.member(leader).node!.status()
    assert(serving, 'a leader that serves')
    assert(configCommitted && !isJoint(config), 'changes of members come to an end')
    const before = this.cluster.witness.committed.length
    this.cluster.step(leader, [{ kind: 'propose', payload: this.#payload() }])
    for (const id of this.cluster.ids) this.#read(id)
    for (let round = 0; round < 3; round++) this.calm()
    assert.equal(this.cluster.witness.committed.length, before + 1)
    for (const id of membersOf(config)) {
      assert.equal(
        this.cluster.member(id).committed.length,
        before + 1,
        `node ${id} has everything committed`,
      )
      assert.deepEqual(
        this.cluster.member(id).committed,
        this.cluster.witness.committed,
        `and right, on ${id}`,
      )
      for (const key of this.asked.keys())
        assert(!key.startsWith(`${id}:`) || this.#old.has(key), 'reads answered')
    }
  }

  /** Reads whose node crashed: nobody is left to answer them. */
  readonly #old = new Set<string>()

  #crash(id: NodeId): void {
    const member = this.cluster.member(id)
    const inputs = [{ kind: 'tick' as const }, { kind: 'propose' as const, payload: this.#payload() }]
    if (this.random() < 0.5) this.cluster.step(id, inputs, Math.floor(this.random() * 3))
    this.checkReads()
    while (member.pending.length > 0 && this.random() < 0.5) this.cluster.write(id, false)
    this.#die(id)
  }

  #die(id: NodeId): void {
    this.checkReads()
    this.cluster.crash(id)
    for (const key of this.asked.keys()) if (key.startsWith(`${id}:`)) this.#old.add(key)
  }

  #likelyLeader(): NodeId {
    return this.cluster.leader ?? this.cluster.running[0]!.id
  }

  /** Asks a leader, now and then one of the past, for any members whatever. */
  #changeMembers(): void {
    const { ids, running } = this.cluster
    const leaders = running.filter(({ node }) => node!.status().role === 'leader')
    if (leaders.length === 0) return
    const share = this.random()
    const voters = ids.filter(() => this.random() < 0.2 + 0.6 * share)
    const learners = ids.filter((id) => !voters.includes(id) && this.random() < 0.4)
    const inputs = [{ kind: 'reconfigure' as const, target: { voters, learners }, payload: this.#payload() }]
    this.cluster.step(this.#pick(leaders).id, inputs)
  }

  /** A checkpoint, a shorter log, or both, and perhaps a crash in between. */
  #forget(id: NodeId): void {
    if (this.random() < 0.7) this.cluster.checkpoint(id)
    const { disk } = this.cluster.member(id)
    const { start } = disk
    const index = start.index + Math.ceil(this.random() * (disk.checkpoint.start.index - start.index))
    const survives = this.random() >= 0.1 * this.frailty
    if (this.random() < 0.8) this.cluster.compact(id, index, survives)
    if (!survives) this.#die(id)
  }

  /** Whole, twice, late, or never, and perhaps just before a crash. */
  #snapshotArrives(): void {
    const { snapshots } = this.cluster
    if (snapshots.length === 0) return
    const snapshot = this.#pick(snapshots)
    if (this.random() < 0.9) snapshots.splice(snapshots.indexOf(snapshot), 1)
    this.ended.push(snapshot)
    const survives = this.random() >= 0.05 * this.frailty
    if (this.cluster.member(snapshot.to).node === undefined || this.random() < this.loss) return
    if (this.cluster.install(snapshot, survives)) this.installed++
    if (!survives) this.#die(snapshot.to)
  }

  #snapshotEnds(): void {
    const over = this.ended.shift()
    if (over === undefined || this.cluster.member(over.from).node === undefined) return
    this.cluster.step(over.from, [{ kind: 'snapshot_ended', peer: over.to }])
  }

  #propose(id: NodeId): void {
    const count = 1 + Math.floor(this.random() * 4)
    this.cluster.step(
      id,
      Array.from({ length: count }, () => ({ kind: 'propose', payload: this.#payload() }) as const),
    )
  }

  #read(id: NodeId): void {
    const read = ++this.#count
    this.asked.set(`${id}:${read}`, this.cluster.witness.committed.length)
    this.cluster.step(id, [{ kind: 'read', id: read }])
  }

  #pace(id: NodeId): number {
    return id === this.slow ? 0.05 : 1
  }

  /** A slow leader cut off from all others, one-way cuts at random, or peace. */
  #partition(): void {
    this.cut.clear()
    this.slow = this.cluster.leader ?? 0
    const isolated = this.random() < 0.4
    const density = this.#pick([0, 0, 0.2, 0.5])
    for (const from of this.cluster.ids) {
      for (const to of this.cluster.ids) {
        const apart = isolated && (from === this.slow) !== (to === this.slow)
        if (apart || this.random() < density) this.cut.add(`${from}>${to}`)
      }
    }
  }

  /** Takes a message from anywhere in the network: mostly near the front, sometimes minutes old. */
  #deliverSome(): void {
    const { network } = this.cluster
    if (network.length === 0) return
    const reach = this.random() < 0.9 ? Math.min(4, network.length) : network.length
    const place = Math.floor(this.random() * reach)
    const message = network[place] as InFlight
    if (this.random() >= 0.08) network.splice(place, 1)
    if (network.length > 400) network.splice(0, 200)
    if (this.random() < this.loss || this.cut.has(`${message.from}>${message.to}`)) return
    this.cluster.deliver(message)
    if (message.message.kind === 'timeout_now') this.handedOver++
  }

  #payload(): Uint8Array {
    const bytes = new Uint8Array(1 + Math.floor(this.random() * 40))
    new DataView(bytes.buffer).setUint8(0, ++this.#count & 255)
    return bytes
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)]!
  }
}

describe('a cluster where anything may go wrong (faults 1, 2, 5, 6, 7, 8, 11, 14, 15, 16, 20, 22)', () => {
  it(`stays safe, and makes progress once healed: ${SEEDS} seeds from ${FIRST_SEED}`, () => {
    const done = { entries: 0, changes: 0, snapshots: 0, transfers: 0 }
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      try {
        const chaos = new Chaos(seed)
        for (let event = 0; event < EVENTS; event++) chaos.event()
        const { committed } = chaos.cluster.witness
        done.entries += committed.length
        done.changes += committed.filter(({ config }) => config !== undefined).length
        done.snapshots += chaos.installed
        done.transfers += chaos.handedOver
        chaos.heal()
        chaos.demandProgress()
      } catch (cause) {
        throw new Error(`RAFT_SEED=${seed} RAFT_SEEDS=1: ${(cause as Error).stack}`, { cause })
      }
    }
    if (SEEDS < 100) return
    const figures = JSON.stringify(done)
    assert(done.entries > SEEDS * 10, `the faults leave room for work: ${figures}`)
    assert(done.changes > SEEDS && done.snapshots > SEEDS / 5 && done.transfers > SEEDS / 5, figures)
  })
})
