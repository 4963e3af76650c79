import assert from 'node:assert/strict'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../../src/client/index.js'
import { openView } from '../../src/node-disk/index.js'
import { runCli } from './cli.js'

const LOCKS = 100

describe('lockkeeper verify, on what a real node has left', { timeout: 120_000 }, () => {
  let cluster: LocalCluster
  let data: string
  let lastToken = 0

  before(async () => {
    cluster = await LocalCluster.start({ nodes: 1, clusterId: 'harbour' })
    data = cluster.dataDirectory(1)
    const keeper = await connect(cluster.addresses)
    for (let k = 0; k < LOCKS; k++) lastToken = (await keeper.lock(`held/${k}`)).token
    // Its session lives on in the log when the node is killed.
    await cluster.node(1).kill()
    await keeper.close()
  })
  after(() => cluster.stop())

  it('finds all that was acknowledged before kill -9', async () => {
    const { code, stdout, stderr } = await runCli(['verify', '--data', data, '--json'])
    assert.equal(code, 0, stderr)
    const found = JSON.parse(stdout)
    const { sound, cluster: clusterId, node, sessions, names, nextToken } = found
    assert.deepEqual(
      { sound, clusterId, node, sessions, names, nextToken },
      { sound: true, clusterId: 'harbour', node: 1, sessions: 1, names: LOCKS, nextToken: lastToken + 1 },
    )
    assert.ok(found.applied === found.log.to && found.term > 0)
  })

  it('prints it for people', async () => {
    const { code, stdout } = await runCli(['verify', '--data', data])
    assert.equal(code, 0)
    assert.match(stdout, /^Sound: .*\n\nnode {8}1 of cluster harbour\nterm .*^names {7}100\n/ms)
  })

  it('says what is damaged, and what to do', async () => {
    const copy = join(cluster.directory, 'damaged')
    await cp(data, copy, { recursive: true })
    await flipByteOf('held/50', copy)
    const { code, stdout, stderr } = await runCli(['verify', '--data', copy, '--json'])
    assert.equal(code, EXIT.damaged, stderr)
    assert.match(stderr, /damaged is damaged: the log on disk is damaged at key '.*': .*must not vote/)
    assert.equal(JSON.parse(stdout).sound, false)
  })

  it('does not judge a directory that is no node’s', async () => {
    const { code, stdout, stderr } = await runCli(['verify', '--data', cluster.directory])
    assert.equal(code, EXIT.notChecked)
    assert.match(stderr, /was not checked: no node has kept anything in this directory: check the path/)
    assert.equal(stdout, '')
  })

  it('keeps a node from starting while it reads', async () => {
    const view = await openView(data)
    try {
      await assert.rejects(cluster.node(1).start(), /is in use by another process: stop that process/)
    } finally {
      await view.close()
      await cluster.node(1).stop()
    }
  })

  it('leaves a directory alone that a process uses, and the process too', async () => {
    await cluster.node(1).start()
    const { code, stderr } = await runCli(['verify', '--data', data])
    assert.equal(code, EXIT.notChecked)
    assert.match(stderr, /was not checked: data directory .* is in use by another process: stop that process/)
    await using keeper = await connect(cluster.addresses)
    assert.ok((await keeper.withLock('after', async ({ token }) => token)) > lastToken)
  })
})

/** In the log of LevelDB, which holds what was written last as it was written. */
async function flipByteOf(text: string, directory: string): Promise<void> {
  for (const name of await readdir(join(directory, 'db'))) {
    const path = join(directory, 'db', name)
    const bytes = await readFile(path)
    const at = bytes.indexOf(text)
    if (!name.endsWith('.log') || at < 0) continue
    bytes[at]! ^= 1
    return await writeFile(path, bytes)
  }
  assert.fail(`${text} stands in no log in ${directory}`)
}
