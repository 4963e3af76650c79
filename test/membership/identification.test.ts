import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RAFT_DEFAULTS } from '../../raft/index.js'
import { ClusterStart } from '../../src/membership/cluster-start.js'
import { Directory } from '../../src/membership/directory.js'
import { FeatureLevel } from '../../src/membership/feature-level.js'
import { Fencing } from '../../src/membership/fencing.js'
import { Identification } from '../../src/membership/identification.js'
import { systemClock } from '../../src/platform/clock.js'
import { PROPOSAL_LIMITS, Proposals } from '../../src/proposals/proposals.js'
import { LoggedDisks } from '../../src/replica/logged-disks.js'
import type { Transport } from '../../src/replica/ports.js'
import { recover } from '../../src/replica/recover.js'
import { Replica } from '../../src/replica/replica.js'
import { MemoryDisk } from '../suites/memory-disk.js'

const DISK = 77
const NOBODY_THERE: Transport = {
  send: () => undefined,
  closeInbound: () => undefined,
  start: async () => undefined,
  connected: () => new Set(),
  stop: async () => undefined,
}

/** The only node of its cluster, not started yet. */
async function put(disk: MemoryDisk, own: number) {
  const store = disk.open()
  const config = { ...RAFT_DEFAULTS, id: 1, heartbeatTicks: 2, electionTicks: 5 }
  const first = { voters: [1], outgoing: [], learners: [] }
  const { raft, machine } = await recover(store, config, first, Math.random)
  const clock = systemClock
  const transport = NOBODY_THERE
  const checkpointBytes = 1_000_000
  const replica = new Replica({ raft, machine, disk: store, transport, clock, tickMs: 1, checkpointBytes })
  const proposals = new Proposals({
    self: 1,
    replica,
    transport,
    clock,
    firstNumber: 1,
    limits: PROPOSAL_LIMITS,
  })
  const directory = new Directory(1, [{ id: 1, peer: 'localhost:1', client: 'localhost:2' }], replica)
  const notes: string[] = []
  const identification = new Identification({
    self: 1,
    disk: own,
    replica,
    proposals,
    directory,
  })
  const fencing = new Fencing({
    self: 1,
    disk: own,
    disks: new LoggedDisks(raft, replica),
    named: [1],
    replica,
    identity: store.identity,
    fence: () => notes.push('fenced'),
    onClaim: ({ reason }) => notes.push(`claimed: ${reason}`),
    onUnbelieved: (reason) => notes.push(`not believed: ${reason}`),
    onDisowned: (error) => notes.push(error.message),
    onFailed: assert.ifError,
  })
  const clusterStart = new ClusterStart({ number: 1, wallMs: Date.now, onClockBehind: assert.ifError })
  const featureLevel = new FeatureLevel({
    self: 1,
    replica,
    proposals,
    clusterStart,
    levels: () => new Map(),
  })
  return { replica, proposals, directory, identification, fencing, featureLevel, notes }
}

it('a node that has just started, and applied nothing, is not talked out of the disk that its log names, but out of an earlier copy of it (faults 17, 26)', async () => {
  const disk = new MemoryDisk({ sync: setImmediate, random: Math.random })
  const node = await put(disk, DISK)
  await new Promise<void>((resolve, reject) => {
    const look = (): void => {
      node.directory.refresh()
      node.featureLevel.onNews()
      node.identification.onNews()
      if (node.replica.machine.disks.all.get(1) === DISK) resolve()
    }
    node.replica.start({
      onApplied: (applied) => {
        node.proposals.onApplied(applied)
        look()
      },
      onStatus: look,
      onUpToTerm: look,
      onRestored: look,
      onDifference: reject,
      onForbidden: () => undefined,
      onStepped: () => undefined,
      onCheckpoint: () => undefined,
      onFatal: reject,
    })
  })
  await node.replica.stop()
  node.proposals.stop()
  disk.release()

  const again = await put(disk, DISK)
  assert.equal(again.replica.machine.disks.all.size, 0, 'its machine has yet to apply that')
  again.fencing.begin()
  again.fencing.claimed(2, 'you are on another disk', 'disk')
  assert.deepEqual(again.notes, ['not believed: you are on another disk'])
  again.fencing.claimed(2, 'you had more on this one', 'end_of_log')
  assert.deepEqual(again.notes.slice(1), ['fenced'])
  await new Promise(setImmediate)
  assert.match(
    again.notes.at(-1) ?? '',
    /this is an earlier copy of this node's disk.*you had more on this one/,
  )

  disk.release()
  const other = await put(disk, DISK + 1)
  other.fencing.begin()
  assert.deepEqual(other.notes.slice(0, 1), ['fenced'], 'its log names another disk, committed or not')
})
