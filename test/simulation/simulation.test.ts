import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NO_MEMBERS } from '../../raft/index.js'
import type { PeerItem } from '../../src/replica/ports.js'
import { type DiskChange, MemoryDisk } from '../suites/memory-disk.js'
import { type Result, type Seams, Simulation } from './simulation.js'

const TROUBLE_MS = 8_000

/** What the log tells of claims, and what was seen of it. */
const WAYS_TO_COORDINATE = [
  'grantedExclusive',
  'grantedShared',
  'grantedPermits',
  'joined',
  'upgraded',
  'downgraded',
  'updated',
  'reentered',
  'heirs',
  'rests',
  'stolen',
  'forced',
  'asked',
  'suspended',
  'resumed',
  'results',
  'found',
  'deadlocks',
  'conflicts',
  'cancelled',
  'repeated',
  'watched',
]

function simulate(seed: number, seams: Partial<Seams> = {}, troubleMs = TROUBLE_MS): Promise<Result> {
  return new Simulation({ seed, troubleMs, seams }).run()
}

/** The promises that are found broken with a defect put in, by the first of the seeds that shows it. */
async function firstBreach(seams: Partial<Seams>, seeds: number, troubleMs: number): Promise<string> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { breach } = await simulate(seed, seams, troubleMs)
    if (breach !== undefined) return breach.promise
  }
  return `none in ${seeds} seeds`
}

describe('the simulation', () => {
  it('is the same again for the same seed, and another for another', async () => {
    const [once, again, other] = [await simulate(3), await simulate(3), await simulate(4)]
    assert.equal(once.hash, again.hash)
    assert.deepEqual(once.counts, again.counts)
    assert.notEqual(once.hash, other.hash)
  })

  it('finds every promise kept through trouble, and is not idle', async () => {
    const totals: Record<string, number> = {}
    for (let seed = 1; seed <= 20; seed++) {
      const { breach, counts } = await simulate(seed)
      assert.equal(breach, undefined, `seed ${seed}: ${breach?.promise} (${breach?.facts})`)
      for (const [what, count] of Object.entries(counts)) totals[what] = (totals[what] ?? 0) + count
    }
    for (const what of [
      'granted',
      'released',
      'timedOut',
      'aborted',
      'lost',
      'read',
      'stoodIn',
      'expiries',
      'elections',
      'checkpoints',
      'leaps',
      'learnersLeaps',
      'added',
      'promoted',
      'removed',
      'leadersRemoved',
      'burnt',
      'crashesByFuse',
      ...WAYS_TO_COORDINATE,
      'rollbacks',
      'emptied',
    ])
      assert.ok(totals[what]! > 0, `${what} comes to pass: ${JSON.stringify(totals)}`)
  })
})

describe('the simulation finds a defect', () => {
  it('a disk that says it is done before it is (P8)', async () => {
    const createDisk: Seams['createDisk'] = (options) => new ForgetfulDisk(options)
    const breach = await firstBreach({ createDisk }, 40, 20_000)
    // Peers may notice first that it comes back with less than it told.
    assert.match(breach, /^(invariant|state machine safety|P8|P10 availability: a healthy disk is doubted)/)
  })

  it('a disk that can be left with a new checkpoint and the old log (P8)', async () => {
    const createDisk: Seams['createDisk'] = (options) => new TearingDisk(options)
    const breach = await firstBreach({ createDisk }, 60, 20_000)
    assert.match(breach, /^invariant/)
  })

  it('a network that gets the terms of entries wrong', async () => {
    const breach = await firstBreach({ tamper: mistakeTerms }, 20, TROUBLE_MS)
    assert.match(breach, /^(invariant|P8)/)
  })

  it('snapshots that do not say who the members are', async () => {
    const breach = await firstBreach({ tamper: forgetMembers }, 20, TROUBLE_MS)
    assert.match(breach, /^(invariant|all members are on the newest feature level)/)
  })

  it('clients whose clocks run at half speed (P6)', async () => {
    const breach = await firstBreach({ clientClockRate: () => 0.5 }, 60, 20_000)
    assert.match(breach, /^P6/)
  })
})

/** Its newest write is still in a cache when it is acknowledged, and a power cut takes it. */
class ForgetfulDisk extends MemoryDisk {
  #before: Pick<MemoryDisk, 'hardState' | 'start' | 'entries' | 'checkpoint'> | undefined

  override synced(what: DiskChange, change: () => void): Promise<void> {
    return super.synced(what, () => {
      const { hardState, start, entries, checkpoint } = this
      this.#before = { hardState, start, entries: [...entries], checkpoint }
      change()
    })
  }

  override crash(): void {
    super.crash()
    if (this.#before === undefined) return
    Object.assign(this, this.#before)
    this.#before = undefined
  }
}

/** Of an installation the checkpoint is on the disk, while the log that goes is in a cache until the next sync. */
class TearingDisk extends MemoryDisk {
  #before: Pick<MemoryDisk, 'start' | 'entries'> | undefined

  override synced(what: DiskChange, change: () => void): Promise<void> {
    return super.synced(what, () => {
      const { start, entries } = this
      change()
      this.#before = what === 'install' ? { start, entries } : undefined
    })
  }

  override crash(): void {
    super.crash()
    Object.assign(this, this.#before)
    this.#before = undefined
  }
}

function mistakeTerms(item: PeerItem): PeerItem {
  if (item.kind !== 'raft' || item.message.kind !== 'append') return item
  const { prevTerm, entries } = item.message
  return { ...item, message: { ...item.message, entries: entries.map((e) => ({ ...e, term: prevTerm })) } }
}

function forgetMembers(item: PeerItem): PeerItem {
  return item.kind === 'snapshot_offer' ? { ...item, start: { ...item.start, config: NO_MEMBERS } } : item
}
