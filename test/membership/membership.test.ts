import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RAFT_DEFAULTS } from '../../raft/index.js'
import type { Command } from '../../src/machine/language/command.js'
import { Directory } from '../../src/membership/directory.js'
import { Membership } from '../../src/membership/membership.js'
import { systemClock } from '../../src/platform/clock.js'
import { PROPOSAL_LIMITS, Proposals } from '../../src/proposals/proposals.js'
import type { Transport } from '../../src/replica/ports.js'
import { recover } from '../../src/replica/recover.js'
import { Replica } from '../../src/replica/replica.js'
import { MemoryDisk } from '../suites/memory-disk.js'

const OWN = { id: 1, peer: '127.0.0.1:7201', client: '127.0.0.1:7101' }
const FOURTH = { peer: '127.0.0.1:7204', client: '127.0.0.1:7104' }
const FIRST_MEMBERS = { voters: [1], outgoing: [], learners: [] }
const NOBODY_THERE: Transport = {
  send: () => undefined,
  closeInbound: () => undefined,
  start: async () => undefined,
  connected: () => new Set(),
  stop: async () => undefined,
}

/** The leader of a cluster of one, whose disk and peers are the only things that are not real. */
class Alone {
  readonly proposals: Proposals
  readonly membership: Membership
  readonly directory: Directory
  /** Who has a stream. */
  readonly reached = new Set<number>()
  readonly #replica: Replica
  #onApplied: () => void = () => undefined

  constructor(replica: Replica) {
    this.#replica = replica
    this.proposals = new Proposals({
      self: 1,
      replica,
      transport: NOBODY_THERE,
      clock: systemClock,
      firstNumber: 1,
      limits: PROPOSAL_LIMITS,
    })
    this.directory = new Directory(1, [OWN], replica)
    const connected = () => this.reached
    this.membership = new Membership({
      self: 1,
      replica,
      proposals: this.proposals,
      directory: this.directory,
      connected,
    })
  }

  static async start(disk: MemoryDisk): Promise<Alone> {
    const store = disk.open()
    const raftConfig = { ...RAFT_DEFAULTS, id: 1, heartbeatTicks: 2, electionTicks: 5 }
    const { raft, machine } = await recover(store, raftConfig, FIRST_MEMBERS, Math.random)
    const replica = new Replica({
      raft,
      machine,
      disk: store,
      transport: NOBODY_THERE,
      clock: systemClock,
      tickMs: 1,
      checkpointBytes: 1_000_000,
    })
    const alone = new Alone(replica)
    await new Promise<void>((resolve, reject) => {
      replica.start({
        onApplied: (applied) => {
          alone.proposals.onApplied(applied)
          if (alone.directory.refresh()) alone.membership.tidy()
          alone.#onApplied()
        },
        onStatus: ({ serving }) => {
          alone.membership.onStatus()
          if (serving) resolve()
        },
        onUpToTerm: () => alone.membership.tidy(),
        onRestored: () => undefined,
        onDifference: reject,
        onForbidden: () => undefined,
        onStepped: () => undefined,
        onCheckpoint: () => undefined,
        onFatal: reject,
      })
    })
    return alone
  }

  /** Of those whose addresses the machine knows. */
  get described(): number[] {
    return [...this.#replica.machine.members.values()].map(({ id }) => id).sort()
  }

  /** A peer has the log up to here. */
  has(from: number, index: number): void {
    const { term } = this.#replica.status
    const nothing = { hintIndex: 0, hintTerm: 0, round: 0 }
    this.#replica.receive(from, { kind: 'append_result', term, accepted: true, index, ...nothing })
  }

  submit(command: Command): Promise<void> {
    return new Promise((resolve) => {
      this.proposals.submit(command, { settle: () => resolve(), gone: false })
    })
  }

  /** Looks at each entry that is applied. */
  until(isTrue: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onApplied = () => {
        if (isTrue()) resolve()
      }
      this.#onApplied()
    })
  }

  async stop(): Promise<void> {
    this.proposals.stop()
    await this.#replica.stop()
  }
}

function emptyDisk(): MemoryDisk {
  return new MemoryDisk({ sync: setImmediate, random: Math.random })
}

describe('the leader', { timeout: 20_000 }, () => {
  it('describes all members when one is added, and forgets who was removed', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    await alone.membership.add(4, FOURTH)
    assert.deepEqual(alone.described, [1, 4])
    assert.deepEqual(alone.directory.members(), [
      { ...OWN, isVoter: true },
      { id: 4, ...FOURTH, isVoter: false },
    ])
    await alone.membership.remove(4)
    await alone.until(() => String(alone.described) === '1')
    assert.deepEqual(alone.directory.members(), [{ ...OWN, isVoter: true }])
  })

  it('forgets whom its predecessor described and did not come to add', async (t) => {
    const disk = emptyDisk()
    const before = await Alone.start(disk)
    await before.submit({ op: 'describe', node: 9, ...FOURTH })
    assert.deepEqual(before.described, [9])
    await before.stop()
    disk.release()

    const alone = await Alone.start(disk)
    t.after(() => alone.stop())
    await alone.until(() => alone.described.length === 0)
  })

  it('does one thing at a time', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    const first = alone.membership.add(4, FOURTH)
    const second = { peer: '127.0.0.1:7205', client: '127.0.0.1:7105' }
    await assert.rejects(alone.membership.add(5, second), { code: 'BUSY' })
    await first
    await alone.membership.add(5, second)
  })

  it('has nothing to do where a change is in effect already', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    await alone.membership.add(4, FOURTH)
    await alone.membership.add(4, FOURTH)
    const elsewhere = { ...FOURTH, client: '127.0.0.1:7999' }
    await assert.rejects(alone.membership.add(4, elsewhere), { code: 'INVALID' })
    await alone.membership.promote(1)
    await alone.membership.remove(4)
    await alone.membership.remove(4)
    await alone.membership.remove(9)
    await assert.rejects(alone.membership.promote(9), { code: 'INVALID' })
    assert.equal(await alone.membership.transfer(1), 1)
  })

  it('gives no vote to a node that is not there, however short the log', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    await alone.membership.add(4, FOURTH)
    await assert.rejects(alone.membership.promote(4), {
      code: 'NOT_READY',
      message: /nothing is heard of node 4; see that it was started with --join/,
    })
  })

  it('gives no vote to a node that lags, and says how far', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    await alone.membership.add(4, FOURTH)
    alone.reached.add(4)
    alone.has(4, 1)
    for (let key = 1; key <= 300; key++) await alone.submit({ op: 'open', key, ttlMs: 60_000, label: '' })
    await assert.rejects(alone.membership.promote(4), {
      code: 'NOT_READY',
      message: /node 4 has yet to catch up \(3\d\d entries behind, 256 are allowed\); wait/,
    })
  })

  it('has nobody to hand over to, and says who leads', async (t) => {
    const alone = await Alone.start(emptyDisk())
    t.after(() => alone.stop())
    assert.equal(await alone.membership.transfer(0), 1)
  })
})
