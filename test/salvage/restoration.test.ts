import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type LogIndex, NO_MEMBERS, type Term } from '../../raft/index.js'
import { encodeEntry } from '../../src/log-store/format.js'
import type { IntactParts, LogPosition, SnapshotSource } from '../../src/replica/ports.js'
import {
  type Footing,
  type Restoration,
  restoration,
  UnrestorableError,
} from '../../src/salvage/restoration.js'
import { History, isUpToDate, type NodeLog, type Step } from './histories.js'

/** What has become of the disk of one node. */
interface Damage {
  /** Entries of which nothing can be read. */
  readonly lost: readonly LogIndex[]
  readonly checkpointLost: boolean
  /** It can't be reached: a peer that is down. */
  readonly away: boolean
}

const PART_ENTRIES = 3
const STEP = fc.noBias(fc.tuple(fc.nat(9), fc.nat(9), fc.nat(63), fc.nat(30)))
const DAMAGE = fc.record({
  lost: fc.array(fc.noBias(fc.integer({ min: 1, max: 24 })), { minLength: 1, maxLength: 6 }),
  checkpointLost: fc.boolean(),
  away: fc.integer({ min: 0, max: 7 }).map((k) => k === 0),
})
const CASE = fc.record({
  count: fc.constantFrom(3, 5),
  steps: fc.array(STEP, { minLength: 80, maxLength: 200 }),
  damages: fc.array(DAMAGE, { minLength: 5, maxLength: 5 }),
})

/** The disk of a node in its damage, as it answers its peers and itself. */
class Disk implements IntactParts {
  readonly #entries = new Map<string, Buffer>()
  readonly footing: Footing | undefined

  constructor(
    readonly node: NodeLog,
    readonly damage: Damage,
  ) {
    const { log, cutAt, checkpoint, truncated } = node
    for (const [k, term] of log.entries()) if (k + 1 > cutAt) this.#keep(k + 1, term, log[k - 1] ?? 0)
    for (const { index, term, previousTerm } of truncated.values()) this.#keep(index, term, previousTerm)
    if (checkpoint > 0 && !damage.checkpointLost) this.footing = footingAt(checkpoint, log)
    if (checkpoint === 0) this.footing = footingAt(0, log)
  }

  get isSound(): boolean {
    const { node, damage } = this
    const isWhole = !damage.lost.some((index) => index > node.cutAt && index <= node.log.length)
    return isWhole && (node.checkpoint === 0 || !damage.checkpointLost)
  }

  has(index: LogIndex, term: Term): boolean {
    return this.#entries.has(`${index}/${term}`)
  }

  async logUpTo(last: LogPosition): Promise<Uint8Array[]> {
    const part: Buffer[] = []
    let { index, term } = last
    for (; part.length < PART_ENTRIES; index--) {
      const sealed = this.#entries.get(`${index}/${term}`)
      if (sealed === undefined) break
      part.push(sealed)
      term = sealed.readUIntBE(5 + 12, 6)
    }
    return part
  }

  async openCheckpoint(): Promise<SnapshotSource | undefined> {
    return this.footing?.checkpoint
  }

  #keep(index: LogIndex, term: Term, previousTerm: Term): void {
    if (this.damage.lost.includes(index)) return
    const payload = new TextEncoder().encode(`${index}/${term}`)
    this.#entries.set(`${index}/${term}`, encodeEntry({ index, term, payload }, previousTerm))
  }
}

function footingAt(index: LogIndex, log: readonly Term[]): Footing {
  const start = { index, term: log[index - 1] ?? 0, config: NO_MEMBERS }
  return { start, checkpoint: undefined }
}

async function restored(disk: Disk, reached: readonly Disk[]): Promise<Restoration | undefined> {
  const { term, log } = disk.node
  const last = { index: log.length, term: log.at(-1) ?? 0 }
  const footings = reached.flatMap(({ footing }) => footing ?? [])
  try {
    return await restoration({ hardState: { term, vote: 0 }, last }, footings, reached)
  } catch (error) {
    if (error instanceof UnrestorableError) return undefined
    throw error
  }
}

/** Checkpoints are of what was committed. */
function logOf({ start, entries }: Restoration, history: History): Term[] {
  assert.ok(start.index <= history.committed.length)
  assert.equal(start.term, history.committed[start.index - 1] ?? 0)
  return [...history.committed.slice(0, start.index), ...entries.map(({ term }) => term)]
}

function historyOf(count: number, steps: readonly Step[]): History {
  const history = new History(count)
  for (const step of steps) history.step(step)
  return history
}

describe('a log that is put together again from its peers (fault 31)', () => {
  it('has all that it had of what was committed, whatever was lost and whoever is away', async (t) => {
    const seen = { restored: 0, ahead: 0, superseded: 0, refused: 0, elected: 0 }
    await fc.assert(
      fc.asyncProperty(CASE, async ({ count, steps, damages }) => {
        const history = historyOf(count, steps)
        const { committed } = history
        const disks = history.nodes.map((node, k) => new Disk(node, damages[k]!))
        const reachable = disks.filter(({ damage }) => !damage.away)
        const running: Term[][] = []
        for (const disk of reachable) {
          const before = disk.node.log
          if (disk.isSound) {
            running.push(before)
            continue
          }
          const reached = [disk, ...reachable.filter((other) => other !== disk)]
          const outcome = await restored(disk, reached)
          assert.equal(outcome !== undefined, canBe(disk, reached))
          if (outcome === undefined) {
            seen.refused++
            continue
          }
          const log = logOf(outcome, history)
          running.push(log)
          for (const [k, term] of committed.entries()) if (before[k] === term) assert.equal(log[k], term)
          for (const { index, term, payload } of outcome.entries) {
            assert.equal(term, before[index - 1])
            assert.equal(new TextDecoder().decode(payload), `${index}/${term}`)
          }
          const isCutShort = log.length !== before.length || log.at(-1) !== before.at(-1)
          if (isCutShort) {
            const isAhead = outcome.start.index > before.length
            seen[isAhead ? 'ahead' : 'superseded']++
            assert.deepEqual(outcome.entries, [])
            // Only what can never be committed any more.
            assert.ok(isAhead || before[outcome.start.index - 1] !== outcome.start.term)
          } else seen.restored++
          assert.ok(outcome.hardState.term >= Math.max(disk.node.term, outcome.start.term))
        }
        for (const candidate of running) {
          const votes = running.filter((log) => isUpToDate(candidate, log))
          if (!history.isMajority(votes)) continue
          seen.elected++
          assert.deepEqual(candidate.slice(0, committed.length), committed)
        }
      }),
      { numRuns: 10_000 },
    )
    t.diagnostic(JSON.stringify(seen))
    for (const [what, times] of Object.entries(seen)) assert.ok(times > 10, `${what}: ${times}`)
  })

  it('is not put together when a committed entry is lost on every disk', async () => {
    const steps: Step[] = [[0, 0, 63, 0], [1, 0, 0, 2], ...everybodyGets(3)]
    const history = historyOf(3, steps)
    assert.equal(history.committed.length, 4)
    const damage = { lost: [2], checkpointLost: false, away: false }
    const disks = history.nodes.map((node) => new Disk(node, damage))
    for (const disk of disks) assert.equal(await restored(disk, disks), undefined)
  })

  it('believes no entry that is not the one it asked for', async () => {
    const liar: IntactParts = {
      logUpTo: async () => [encodeEntry({ index: 3, term: 1, payload: Buffer.from('another') }, 1)],
      openCheckpoint: async () => undefined,
    }
    const end = { hardState: { term: 2, vote: 0 }, last: { index: 3, term: 2 } }
    await assert.rejects(restoration(end, [footingAt(0, [])], [liar]), /nobody has entry 3 of term 2/)
  })
})

/** The dumb way: nothing is missing behind some checkpoint. */
function canBe({ node }: Disk, reached: readonly Disk[]): boolean {
  const missing = node.log.map((term, k) => (reached.some((disk) => disk.has(k + 1, term)) ? 0 : k + 1))
  const lastMissing = Math.max(0, ...missing)
  return reached.some(({ footing }) => footing !== undefined && footing.start.index >= lastMissing)
}

function everybodyGets(times: number): Step[] {
  return Array.from({ length: 2 * times }, (_, k): Step => [3, 0, 1 + (k % 2), 3])
}
