import assert from 'node:assert/strict'
import { cp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { eventually } from './eventually.js'
import { UnarySession } from './unary-session.js'

const NOTICED_MS = 20_000
const LONG_TTL_MS = 60_000

const LOSSES: readonly [what: string, loss: (directory: string) => Promise<void>, says: RegExp][] = [
  [
    'is removed',
    (directory) => rm(directory, { recursive: true }),
    /has been removed since this node opened it/,
  ],
  ['is renamed', (directory) => rename(directory, `${directory}.away`), /has been removed since/],
  [
    'is replaced by a copy',
    async (directory) => {
      await rename(directory, `${directory}.away`)
      await cp(`${directory}.away`, directory, { recursive: true })
    },
    /has been replaced since/,
  ],
  [
    'loses its write counter',
    (directory) => rm(join(directory, 'witness')),
    /witness has been removed since/,
  ],
  [
    'loses the log of its database',
    async (directory) => {
      const names = (await readdir(join(directory, 'db'))).filter((name) => name.endsWith('.log'))
      for (const name of names) await rm(join(directory, 'db', name))
    },
    /db had of .*log.* has been removed since/,
  ],
  [
    'loses the files of its database',
    (directory) => rm(join(directory, 'db'), { recursive: true }),
    /db has been removed since/,
  ],
]

for (const [what, loss, says] of LOSSES)
  test(`a leader whose data directory ${what} while it runs stops, and what it acknowledged is with the others`, {
    timeout: 120_000,
  }, async () => {
    await using cluster = await LocalCluster.start()
    const leader = await cluster.leader()
    const others = cluster.nodes.filter(({ id }) => id !== leader.id)
    using session = new UnarySession(cluster.clientAddress(leader.id))
    await session.open(LONG_TTL_MS)
    await session.acquire('before', 0)
    await loss(cluster.dataDirectory(leader.id))
    let newest = await session.acquire('after', 0).catch(() => 0)
    await eventually('the leader stops', NOTICED_MS, () => !leader.isRunning || undefined)
    assert.match(leader.output(), says)
    await cluster.leader(others)
    using again = session.at(cluster.clientAddress(others[0]!.id))
    await again.acquire('later', 0).then((token) => {
      assert.ok(token > newest)
      newest = token
    })
  })
