import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Configuration, Entry, NodeView } from '../../raft/index.js'
import type { Command } from '../../src/machine/language/command.js'
import { Machine } from '../../src/machine/machine.js'
import { LoggedDisks } from '../../src/replica/logged-disks.js'
import { encodeCommands, encodePayload, identifiesIn } from '../../src/replica/payload.js'

const OTHERS: readonly Command[] = [
  { op: 'open', key: 0x930a, ttlMs: 1_000, label: '\u0093\n' },
  { op: 'forget', node: 3 },
]

/** A node registers its own disk. */
function payload(...commands: Command[]): Uint8Array {
  const chunks = commands.map((command) => {
    const origin = 'node' in command ? command.node : 1
    return { origin, first: 9, count: 1, commands: encodeCommands([command]) }
  })
  return encodePayload(1, [
    { origin: 1, first: 1, count: OTHERS.length, commands: encodeCommands(OTHERS) },
    ...chunks,
  ])
}

/** A log with a machine behind it, both driven by hand. */
class HandLog {
  entries: Entry[] = []
  appliedIndex = 0
  machine = new Machine()
  readonly disks = new LoggedDisks({ view: () => this.#view }, this)

  append(term: number, ...commands: Command[]): void {
    this.entries.push({ index: this.entries.length + 1, term, payload: payload(...commands) })
  }

  appendMembers(term: number, config: Configuration): void {
    this.entries.push({ index: this.entries.length + 1, term, payload: new Uint8Array(), config })
  }

  apply(...commands: Command[]): void {
    this.appliedIndex++
    this.machine.apply({ at: 1, commands })
  }

  get #view(): NodeView {
    const last = this.entries.at(-1)
    return {
      lastIndex: last?.index ?? 0,
      lastTerm: last?.term ?? 0,
      entryAt: (index: number) => this.entries[index - 1],
    } as NodeView
  }
}

describe('the disks that a log names', () => {
  it('are known as soon as they are in the log, and when they have been applied', () => {
    const log = new HandLog()
    assert.equal(log.disks.get(3), undefined)
    log.append(1, { op: 'raise', level: 1 })
    log.append(1, { op: 'identify', node: 3, disk: 33 })
    log.appendMembers(1, { voters: [1, 3], outgoing: [], learners: [] })
    assert.deepEqual([log.disks.get(3), log.disks.get(2)], [33, undefined])
    log.apply({ op: 'raise', level: 1 })
    log.apply({ op: 'identify', node: 3, disk: 33 })
    assert.equal(log.disks.get(3), 33)
  })

  it('are those of the log as it is: one that was truncated names nobody any more', () => {
    const log = new HandLog()
    log.append(1)
    log.append(1, { op: 'identify', node: 3, disk: 33 })
    assert.equal(log.disks.get(3), 33)
    log.entries.length = 1
    assert.equal(log.disks.get(3), undefined, 'the log is shorter')
    log.append(1, { op: 'identify', node: 3, disk: 33 })
    assert.equal(log.disks.get(3), 33)
    log.entries.length = 1
    log.append(2, { op: 'identify', node: 3, disk: 44 })
    assert.equal(log.disks.get(3), 44, 'the same length, of another term')
  })

  it('stay known for a node that is to be forgotten until that is applied', () => {
    const log = new HandLog()
    log.append(1, { op: 'raise', level: 1 }, { op: 'identify', node: 3, disk: 33 })
    log.append(1, { op: 'forget', node: 3 }, { op: 'identify', node: 3, disk: 44 })
    assert.equal(log.disks.get(3), 33)
    log.apply({ op: 'raise', level: 1 }, { op: 'identify', node: 3, disk: 33 })
    assert.equal(log.disks.get(3), 33)
    log.apply({ op: 'forget', node: 3 }, { op: 'identify', node: 3, disk: 44 })
    assert.equal(log.disks.get(3), 44)
  })

  it('are those of the machine alone when a snapshot has taken the place of the log', () => {
    const log = new HandLog()
    log.append(1, { op: 'identify', node: 3, disk: 33 })
    assert.equal(log.disks.get(3), 33)
    log.machine = new Machine()
    log.appliedIndex = 9
    assert.equal(log.disks.get(3), undefined, 'Raft has yet to hear of it')
    log.entries.length = 0
    assert.equal(log.disks.get(3), undefined)
  })

  it('are news once', () => {
    const log = new HandLog()
    log.append(1)
    assert.equal(log.disks.refresh(), false)
    log.append(1, { op: 'identify', node: 3, disk: 33 })
    assert.deepEqual([log.disks.refresh(), log.disks.refresh()], [true, false])
  })
})

it('registrations are found among other commands, whatever their figures, and nothing else is taken for one', () => {
  const identifies = [
    { op: 'identify', node: 1, disk: 1 },
    { op: 'identify', node: 64_003, disk: 2 ** 48 - 2 },
  ] as const
  assert.deepEqual(identifiesIn(payload(...identifies)), identifies)
  assert.deepEqual(identifiesIn(payload({ op: 'raise', level: 10 })), [])
  const ofAnother = { origin: 2, first: 9, count: 1, commands: encodeCommands(identifies.slice(0, 1)) }
  assert.deepEqual(identifiesIn(encodePayload(1, [ofAnother])), [], 'nobody registers the disk of another')
  assert.deepEqual(identifiesIn(new Uint8Array()), [])
})
