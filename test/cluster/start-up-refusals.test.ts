import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseDocument } from 'yaml'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect } from '../../src/client/index.js'
import { parseAddress } from '../../src/platform/address.js'
import { runCli } from './cli.js'
import { flipByteOf, flipByteOfCheckpoint, flipBytesOfTable } from './damage.js'

const LOCKS = 1_000
const LOCKS_AT_ONCE = 50
const DAMAGED = /the log on disk is damaged at key '.*': .*this node must not vote/

function nameOf(k: number): string {
  return `stored/${String(k).padStart(6, '0')}`
}

/** What a node that can't start says, and with which code it ends. */
describe('a node that can not start says why, and what to do', { timeout: 120_000 }, () => {
  let cluster: LocalCluster

  before(async () => {
    cluster = await LocalCluster.start()
    await using keeper = await connect(cluster.addresses)
    // A log that is longer than a block of LevelDB's, in which there is something to damage.
    for (let k = 0; k < LOCKS; k += LOCKS_AT_ONCE) {
      const names = Array.from({ length: LOCKS_AT_ONCE }, (_, n) => nameOf(k + n))
      await Promise.all(names.map((name) => keeper.withLock(name, () => {})))
    }
    await cluster.node(1).stop()
    // As its last process left it: the next start moves the log into tables.
    await cp(cluster.dataDirectory(1), untouched(), { recursive: true })
  })
  after(() => cluster.stop())

  /** Starts node 1 with its configuration changed by `change`, as a process of its own. */
  async function start(change: (text: string) => string = (text) => text, node = 1) {
    const text = await readFile(join(cluster.directory, 'node-1.yaml'), 'utf8')
    const file = join(cluster.directory, 'changed.yaml')
    await writeFile(file, change(text))
    return await runCli(['serve', '--config', file, '--node', String(node)])
  }

  it('the data directory belongs to another node', async () => {
    const swap = (text: string) => text.replaceAll('data-1', 'data-x').replaceAll('data-2', 'data-1')
    await cluster.node(2).stop()
    const { code, stderr } = await start(swap, 2)
    await cluster.node(2).start()
    assert.equal(code, EXIT.fatal)
    assert.match(stderr, /data-1 belongs to node 1, and this is node 2: correct the configuration/)
  })

  it('the data directory belongs to another cluster', async () => {
    const { code, stderr } = await start((text) => text.replace('id: local', 'id: elsewhere'))
    assert.equal(code, EXIT.fatal)
    assert.match(
      stderr,
      /belongs to cluster 'local', and this is cluster 'elsewhere': correct the configuration/,
    )
  })

  for (const port of ['peer', 'client'] as const) {
    it(`the port for ${port}s is taken`, async () => {
      const config = parseDocument(await readFile(join(cluster.directory, 'node-1.yaml'), 'utf8')).toJS()
      const other = createServer((socket) => socket.destroy())
      await new Promise<void>((resolve) => other.listen(parseAddress(config.nodes[0][port]), resolve))
      const { code, stderr } = await start()
      await new Promise((resolve) => other.close(resolve))
      assert.equal(code, EXIT.fatal)
      assert.match(stderr, new RegExp(`can't listen for ${port}s at ${config.nodes[0][port]}`))
      assert.match(stderr, /stop that process, or choose another port/)
    })
  }

  it('the data directory is in use by a process that lives', async () => {
    await cluster.node(1).start()
    const { code, stderr } = await start()
    await cluster.node(1).stop()
    assert.equal(code, EXIT.fatal)
    assert.match(
      stderr,
      new RegExp(`${cluster.dataDirectory(1)} is in use by another process: stop that process`),
    )
  })

  it('the configuration is not there, is no YAML, or contradicts itself', async () => {
    const missing = await runCli(['serve', '--config', join(cluster.directory, 'none.yaml'), '--node', '1'])
    assert.equal(missing.code, EXIT.config)
    assert.match(missing.stderr, /none\.yaml: can't be read .*check the path and its permissions/)

    const broken = await start((text) => `${text}\n  : [`)
    assert.equal(broken.code, EXIT.config)
    assert.match(broken.stderr, /changed\.yaml:\d+: this is not valid YAML .*mind the indentation/)

    const twice = await start((text) => text.replace('id: 2', 'id: 1'))
    assert.equal(twice.code, EXIT.config)
    assert.match(
      twice.stderr,
      /nodes\[1\]\.id is 1, the same as nodes\[0\]\.id; give every node its own number/,
    )

    const stranger = await start((text) => text, 7)
    assert.equal(stranger.code, EXIT.config)
    assert.match(stranger.stderr, /has no node 7, only 1, 2, 3; pass one of these as --node/)
  })

  // Those with peers are made anew from them: see self-repair.test.ts.
  for (const [where, k] of [
    ['beginning', 1],
    ['middle', LOCKS / 2],
  ] as const) {
    it(`it is alone, and a byte has changed near the ${where} of what it wrote last`, async () => {
      const { code, stderr } = await startDamaged((directory) => flipByteOf(nameOf(k), directory))
      assert.equal(code, EXIT.fatal, stderr)
      assert.match(stderr, DAMAGED)
    })
  }

  it('it is alone, and some bytes have changed in a table, and in the checkpoint that has what was in it', async () => {
    await cluster.node(1).start()
    await cluster.node(1).stop()
    const { code, stderr } = await startDamaged(async (directory) => {
      await flipBytesOfTable(directory)
      await flipByteOfCheckpoint(directory)
    }, cluster.dataDirectory(1))
    assert.equal(code, EXIT.fatal, stderr)
    assert.match(stderr, DAMAGED)
  })

  function untouched(): string {
    return join(cluster.directory, 'untouched')
  }

  /** Starts node 1 on a copy of its data that `damage` was done to. */
  async function startDamaged(damage: (directory: string) => Promise<void>, of = untouched()) {
    const copy = await mkdtemp(join(cluster.directory, 'damaged-'))
    await cp(of, copy, { recursive: true })
    await damage(copy)
    return await start((text) => alone(text.replace(cluster.dataDirectory(1), copy)))
  }
})

/** The configuration of a cluster of node 1. */
function alone(text: string): string {
  const config = parseDocument(text)
  config.set('nodes', config.toJS().nodes.slice(0, 1))
  return config.toString()
}
