import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { RAFT_DEFAULTS } from '../raft/index.js'
import { ConfigError, DEFAULT_STORAGE, loadClusterConfig, nodeConfig } from '../src/platform/config.js'

const directory = mkdtempSync(join(tmpdir(), 'lockkeeper-config-'))
after(() => rmSync(directory, { recursive: true }))

const file = join(directory, 'cluster.yaml')

const GOOD = `cluster:
  id: orders
nodes:
  - id: 1
    peer: 127.0.0.1:7201
    client: 127.0.0.1:7101
    data: ./data/1
  - id: 2
    peer: 127.0.0.1:7202
    client: 127.0.0.1:7102
    data: ./data/2
  - id: 3
    peer: 127.0.0.1:7203
    client: 127.0.0.1:7103
    data: ./data/3
`

function load(text: string) {
  writeFileSync(file, text)
  return loadClusterConfig(file)
}

/** The good file with one thing changed is refused, in words that name the place, the key and the remedy. */
function refused(change: (good: string) => string, ...expected: (string | RegExp)[]): string {
  const changed = change(GOOD)
  assert.notEqual(changed, GOOD, 'the change changes something')
  return refusal(() => nodeConfig(load(changed), 1), file, ...expected)
}

function refusal(attempt: () => unknown, ...expected: (string | RegExp)[]): string {
  try {
    attempt()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    for (const part of expected) assert.match(error.message, part instanceof RegExp ? part : literal(part))
    return error.message
  }
  assert.fail('it was accepted')
}

const literal = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
const replace = (what: string, by: string) => (good: string) => good.replace(what, by)

describe('a good cluster file', () => {
  it('gives each node its own part, with an absolute data directory', () => {
    const own = nodeConfig(load(GOOD), 2)
    assert.equal(own.id, 2)
    assert.equal(own.clusterId, 'orders')
    assert.equal(own.client, '127.0.0.1:7102')
    assert.equal(own.peer, '127.0.0.1:7202')
    assert.equal(own.data, resolve('data/2'))
    assert.deepEqual(
      own.nodes.map((node) => node.id),
      [1, 2, 3],
    )
  })

  it('of a node that joins, or has been there, may list any number of nodes, for it founds no cluster', () => {
    const data = join(directory, 'data-4')
    const fourth = `  - id: 4\n    peer: 127.0.0.1:7204\n    client: 127.0.0.1:7104\n    data: ${data}\n`
    writeFileSync(file, GOOD + fourth)
    mkdirSync(data)
    refusal(() => nodeConfig(loadClusterConfig(file), 4), file, 'has 4 entries')
    assert.equal(nodeConfig(loadClusterConfig(file, true), 4).joins, true)
    writeFileSync(join(data, 'as it was left'), '')
    assert.equal(nodeConfig(loadClusterConfig(file), 4).nodes.length, 4)
  })

  it('need not speak of timing: the defaults are those of Raft', () => {
    const { heartbeatTicks, electionTicks } = RAFT_DEFAULTS
    assert.deepEqual(load(GOOD).timing, { tickMs: 10, heartbeatTicks, electionTicks })
  })

  it('need not speak of storage, and may say how often there is a checkpoint', () => {
    assert.deepEqual(load(GOOD).storage, DEFAULT_STORAGE)
    assert.equal(load(`${GOOD}storage:\n  checkpointMiB: 1\n`).storage.checkpointMiB, 1)
    assert.equal(nodeConfig(load(`${GOOD}storage:\n  checkpointMiB: 16\n`), 1).storage.checkpointMiB, 16)
  })

  it('may change one figure of the timing and keep the others', () => {
    assert.equal(load(`${GOOD}timing:\n  tickMs: 50\n`).timing.tickMs, 50)
    assert.equal(load(`${GOOD}timing:\n  tickMs: 50\n`).timing.electionTicks, RAFT_DEFAULTS.electionTicks)
  })

  it('may name hosts, and IPv6 addresses in brackets and quotes', () => {
    load(
      GOOD.replace('127.0.0.1:7201', 'lock-1.internal:7201').replace(
        '127.0.0.1:7202',
        '"[2001:db8::1]:7202"',
      ),
    )
  })

  it('may use the same data path on different machines', () => {
    load(
      GOOD.replaceAll(/data\/\d/g, 'data')
        .replaceAll(/127\.0\.0\.1:7.0(\d)/g, 'host-$1:7201')
        .replaceAll(/client: (.*):7201/g, 'client: $1:7101'),
    )
  })
})

describe('a cluster file with a mistake', () => {
  it('missing key', () => {
    refused(
      replace('    peer: 127.0.0.1:7202\n', ''),
      `${file}:8: `,
      'nodes[1].peer is missing',
      'write host:port',
    )
  })

  it('missing section', () => {
    refused(replace('cluster:\n  id: orders\n', ''), file, 'cluster is missing', 'with the key id')
  })

  it('empty file', () => {
    refused(() => '', file, 'is missing', 'cluster-configs/three.yaml')
  })

  it('unknown key', () => {
    refused(
      replace('peer: 127.0.0.1:7202', 'per: 127.0.0.1:7202'),
      `${file}:9: nodes[1].per`,
      'remove it, or correct it to one of: id, peer, client, data',
    )
  })

  it('unknown section', () => {
    refused(
      (good) => `${good}timings:\n  tickMs: 5\n`,
      `${file}:17: timings`,
      'cluster, nodes, timing, storage',
    )
  })

  it('address without a port', () => {
    refused(
      replace('127.0.0.1:7103', '127.0.0.1'),
      `${file}:14: nodes[2].client is "127.0.0.1"`,
      'write host:port',
    )
  })

  it('port out of range', () => {
    refused(replace('127.0.0.1:7103', '127.0.0.1:71030'), 'nodes[2].client', 'write host:port')
  })

  it('an address at which nobody can be reached', () => {
    refused(
      replace('127.0.0.1:7103', '0.0.0.0:7103'),
      'nodes[2].client',
      'under which this machine is reached',
    )
  })

  it('id that is no number, or 0', () => {
    refused(
      replace('id: 3', 'id: three'),
      `${file}:12: nodes[2].id is "three"`,
      'write a whole number from 1',
    )
    refused(replace('id: 3', 'id: 0'), 'nodes[2].id is 0', 'write a whole number from 1')
  })

  it('cluster id with blanks', () => {
    refused(replace('orders', '"my orders"'), `${file}:2: cluster.id is "my orders"`, 'write 1 to 64 letters')
  })

  it('bad YAML, with its line', () => {
    refused(
      replace('    peer: 127.0.0.1:7202', '   peer: 127.0.0.1:7202'),
      `${file}:9: `,
      'not valid YAML',
      'mind the indentation',
    )
  })

  it('the same key twice', () => {
    refused(
      replace('    data: ./data/2', '    peer: 127.0.0.1:7209\n    data: ./data/2'),
      `${file}:11: `,
      'not valid YAML',
      'unique',
    )
  })

  it('several mistakes are told in one go', () => {
    const message = refused((good) => good.replace('id: 3', 'id: 0').replace(':7101', ''))
    assert.equal(message.split('\n').length, 2)
  })

  it('a file that is not there', () => {
    const missing = join(directory, 'nothing.yaml')
    refusal(() => loadClusterConfig(missing), missing, 'ENOENT', 'check the path')
  })
})

describe('a cluster file that contradicts itself', () => {
  it('duplicate id', () => {
    refused(
      replace('id: 3', 'id: 1'),
      `${file}:12: nodes[2].id is 1, the same as nodes[0].id`,
      'give every node its own number',
    )
  })

  it('the same port for a peer and a client', () => {
    refused(
      replace('127.0.0.1:7103', '127.0.0.1:7201'),
      'nodes[2].client',
      'the same as nodes[0].peer',
      'its own port',
    )
  })

  it('the same data directory, written differently', () => {
    refused(
      replace('./data/3', 'data/../data/1'),
      'nodes[2].data',
      'the same as nodes[0].data',
      'its own directory',
    )
  })

  it('an even number of nodes', () => {
    refused(
      (good) => good.split('  - id: 3')[0]!,
      `${file}:4: nodes has 2 entries`,
      'no more failures than one fewer',
      'list 1 node',
    )
  })

  it('no nodes at all', () => {
    refused(() => 'cluster:\n  id: a\nnodes: []\n', 'nodes has 0 entries', 'list 1 node')
  })

  it('an election that a single late heartbeat would start', () => {
    refused(
      (good) => `${good}timing:\n  heartbeatTicks: 30\n`,
      'timing.electionTicks is 60',
      'heartbeatTicks (30)',
      'raise it',
    )
  })

  it('a checkpoint that would never come, or all the time', () => {
    for (const figure of ['0', '0.5', '17', 'often']) {
      refused(
        (good) => `${good}storage:\n  checkpointMiB: ${figure}\n`,
        `${file}:17: storage.checkpointMiB is `,
        'write a whole number of MiB from 1 to 16',
      )
    }
  })

  it('a node that the file does not list', () => {
    refusal(() => nodeConfig(load(GOOD), 4), file, 'nodes has no node 4, only 1, 2, 3', '--node')
  })
})

describe('the configurations that come with the package', () => {
  const packaged = (name: string) => loadClusterConfig(join('cluster-configs', name))

  it('dev, three and five are valid and have that many nodes', () => {
    const sizes = ['dev.yaml', 'three.yaml', 'five.yaml'].map((name) => packaged(name).nodes.length)
    assert.deepEqual(sizes, [1, 3, 5])
  })

  it('three is what the documentation connects to', () => {
    const clients = packaged('three.yaml').nodes.map((node) => node.client)
    assert.equal(clients.join(), '127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103')
  })
})
