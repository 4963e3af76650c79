import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Status } from '../../raft/index.js'
import { Machine } from '../../src/machine/machine.js'
import { Fencing, noteMember } from '../../src/membership/fencing.js'
import { MemoryDisk } from '../suites/memory-disk.js'

const OWN_DISK = 1

function status(voters: readonly number[], configCommitted = true): Status {
  return {
    id: 3,
    role: 'follower',
    term: 1,
    leader: 0,
    lastIndex: 9,
    commitIndex: 9,
    serving: false,
    config: { voters, outgoing: [], learners: [] },
    configIndex: 1,
    configCommitted,
    transferring: false,
  }
}

/** Node 3, on a disk whose syncs end when `sync` is called. */
class Fenced {
  readonly disk = new MemoryDisk({ sync: (done) => this.#syncs.push(done), random: () => 0 })
  readonly machine = new Machine()
  readonly logged = new Map<number, number>()
  readonly notes: string[] = []
  voters: readonly number[] = [1, 2, 3]
  fencing = this.start()
  readonly #syncs: (() => void)[] = []

  /** A process. */
  start(): Fencing {
    this.disk.release()
    const { identity } = this.disk.open()
    this.fencing = new Fencing({
      self: 3,
      disk: OWN_DISK,
      disks: this.logged,
      named: [3, 4, 5, 6, 7],
      replica: {
        machine: this.machine,
        status: status(this.voters),
      },
      identity,
      fence: () => this.notes.push('fenced'),
      onClaim: ({ node, accusers, needed }) => this.notes.push(`${node} claims, ${accusers} of ${needed}`),
      onUnbelieved: () => this.notes.push('not believed'),
      onDisowned: ({ message }) => this.notes.push(message),
      onFailed: assert.ifError,
    })
    return this.fencing
  }

  async sync(): Promise<void> {
    for (const done of this.#syncs.splice(0)) done()
    await new Promise(setImmediate)
  }

  /** What has happened since the last call. */
  take(): string[] {
    return this.notes.splice(0)
  }
}

describe('a node that may have lost what it promised', () => {
  it('is fenced off at the first claim, and gives up its disk when a majority says so and that is on disk (faults 17, 26)', async () => {
    const node = new Fenced()
    node.fencing.begin()
    node.fencing.claimed(1, 'other disk', 'disk')
    assert.deepEqual(node.take(), ['fenced'])
    await node.sync()
    assert.deepEqual(node.take(), ['1 claims, 1 of 2'])
    node.fencing.claimed(1, 'other disk', 'disk')
    node.fencing.claimed(1_001, 'other disk', 'disk')
    await node.sync()
    assert.deepEqual(node.take(), ['fenced', 'fenced'], 'one node counts once, in whatever incarnation')
    node.fencing.claimed(2, 'it had more', 'end_of_log')
    assert.deepEqual(node.take(), ['fenced'])
    await node.sync()
    assert.deepEqual(node.take(), [
      '2 claims, 2 of 2',
      'fenced',
      "the cluster knows that this is an earlier copy of this node's disk, and what it promised since is lost (it had more)",
    ])
  })

  it('is fenced off in every later process, and goes on counting', async () => {
    const node = new Fenced()
    node.fencing.claimed(1, 'other disk', 'disk')
    await node.sync()
    node.take()
    node.start().begin()
    assert.deepEqual(node.take(), ['fenced', '1 claims, 1 of 2'])
    node.fencing.claimed(2, 'other disk', 'disk')
    await node.sync()
    assert.match(node.take().at(-1) ?? '', /other disk/)
    node.start().begin()
    assert.match(node.take().at(-1) ?? '', /other disk/, 'what was decided holds')
  })

  it('gives up its disk after one claim if the others have a leader without it, and never without a claim', async () => {
    const node = new Fenced()
    node.fencing.begin()
    node.fencing.othersLead()
    assert.ok(!node.fencing.isFencedOff)
    assert.deepEqual(node.take(), [])
    node.fencing.claimed(1, 'other disk', 'disk')
    await node.sync()
    assert.ok(node.fencing.isFencedOff)
    node.take()
    node.fencing.othersLead()
    assert.match(node.take().at(-1) ?? '', /other disk/)
  })

  it('needs as many claims as there must be for a leader without it, by its log or else by its file', async () => {
    const node = new Fenced()
    node.voters = [1, 2, 3, 4]
    node.start().claimed(1, 'other disk', 'disk')
    await node.sync()
    assert.deepEqual(node.take(), ['fenced', '1 claims, 1 of 3'])
    node.voters = []
    node.start().claimed(2, 'other disk', 'disk')
    await node.sync()
    assert.deepEqual(node.take().at(-1), '2 claims, 2 of 3')
  })

  it('believes its own log, also if that is not committed, that this is its disk', () => {
    const node = new Fenced()
    node.logged.set(3, OWN_DISK)
    node.fencing.begin()
    node.fencing.claimed(1, 'other disk', 'disk')
    assert.deepEqual(node.take(), ['not believed'])
    node.fencing.claimed(1, 'it had more', 'end_of_log')
    assert.equal(node.take()[0], 'fenced')
  })

  it('is fenced off when its own log names another disk, and gives up its own when that is committed', () => {
    const node = new Fenced()
    node.logged.set(3, OWN_DISK + 1)
    node.fencing.begin()
    assert.deepEqual(node.take(), ['fenced'])
    node.machine.apply({
      at: 1,
      commands: [
        { op: 'raise', level: 1 },
        { op: 'identify', node: 3, disk: OWN_DISK + 1 },
      ],
    })
    node.fencing.onNews()
    assert.match(node.take().at(-1) ?? '', /its log says so/)
  })
})

it('a node was a member once a committed configuration has it, in every later process', async () => {
  const disk = new MemoryDisk({ sync: setImmediate, random: () => 0 })
  const { identity } = disk.open()
  await noteMember(3, status([1, 2, 3], false), identity)
  await noteMember(3, status([1, 2]), identity)
  assert.equal(disk.facts.wasMember, false)
  await noteMember(3, status([1, 2, 3]), identity)
  assert.equal(disk.facts.wasMember, true)
})
