import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GrpcConnector } from '../../src/client/grpc-connector.js'
import { connect } from '../../src/client/index.js'
import type { GetStatusResponse } from '../../src/protocol/lockkeeper.js'
import { ChangingCluster } from './changing-cluster.js'
import { eventually, within } from './eventually.js'
import { assertHeld, hold } from './held-locks.js'
import { churn, MIB_BEYOND, SMALL, snapshots } from './log-growth.js'

const TTL_MS = 60_000
const HELD = 300
const LED_MS = 20_000
const SAME_MS = 30_000

test('nodes whose log is gone join by a snapshot, get their votes, and answer for what was acknowledged when the leaders before them are killed (faults 16, 22, 30)', {
  timeout: 240_000,
}, async (t) => {
  await using cluster = await ChangingCluster.start(SMALL)
  await using keeper = await connect(cluster.addresses, { label: 'holder', ttlMs: TTL_MS })
  const connector = new GrpcConnector()
  t.after(() => connector.close())
  const status = (address: string): Promise<GetStatusResponse> =>
    connector.call(address, 'getStatus', {}, 5_000)
  const locks = await hold(keeper, HELD)
  await churn(keeper, MIB_BEYOND)

  // Entries go on being made while the snapshot is under way.
  const [fourth] = await Promise.all([cluster.join(4), churn(keeper, 1)])
  cluster.addresses += `,${fourth.client}`
  assert.ok(snapshots(fourth.node) > 0, 'the log that it would have needed is gone')
  const { leader } = await cluster.voters(1, 2, 3, 4)

  // Of four voters three are left: nothing can be committed without the newcomer's disk, nobody elected without its vote.
  await cluster.node(leader).kill()
  const last = await within('a leader with the vote of the newcomer', LED_MS, keeper.lock('last'))
  assert.ok(last.token > Math.max(...locks.map(({ token }) => token)))
  await assertHeld(keeper, locks)

  // The killed one's disk is given up: a new id with an empty disk takes its place.
  await cluster.operate('members', 'remove', String(leader))
  await churn(keeper, MIB_BEYOND)
  const fifth = await cluster.join(5)
  cluster.addresses += `,${fifth.client}`
  assert.ok(snapshots(fifth.node) > 0, 'it has a snapshot, too')
  const rest = [1, 2, 3].filter((id) => id !== leader)
  await cluster.voters(...rest, 4, 5)
  assert.match(await cluster.operate('transfer', '5'), /Node 5 leads/)
  await assertHeld(keeper, locks)
  await eventually('both newcomers have the same', SAME_MS, async () => {
    const [one, other] = await Promise.all([status(fourth.client), status(fifth.client)])
    const isSame = one.names === other.names && one.sessions === other.sessions
    return (isSame && one.appliedIndex >= other.commitIndex) || undefined
  })
  await cluster.node(5).kill()
  assert.equal(await within('a leader once more', LED_MS, last.release()), 'released')
  await assertHeld(keeper, locks)
})
