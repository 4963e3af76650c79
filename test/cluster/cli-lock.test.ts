import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ClientNetwork } from '../../scripts/cluster/client-network.js'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { Cli, runCli } from './cli.js'
import { eventually, within } from './eventually.js'

const SOON_MS = 10_000
const TTL_MS = 3_000
const TRANSLATE = new URL('./translate-addresses.js', import.meta.url).href

/** Two processes of one group that say every now and then that they live, and do not go when they are asked to. */
const STUBBORN_FAMILY = `
live() { trap "echo $1 was asked to go" TERM; while :; do echo $1 lives; sleep 0.02; done; }
live grandchild & live child`

describe('lockkeeper lock', { timeout: 90_000 }, () => {
  let cluster: LocalCluster
  let keeper: Keeper

  before(async () => {
    cluster = await LocalCluster.start()
    keeper = await connect(cluster.addresses)
  })
  after(async () => {
    await keeper?.close()
    await cluster?.stop()
  })

  function lockArgs(name: string, script: string, ...options: string[]): string[] {
    return ['lock', name, '--connect', cluster.addresses, ...options, '--', 'sh', '-c', script]
  }

  it('hands name and token to the command, passes its exit code on, and releases', async () => {
    const earlier = await keeper.lock('job')
    await earlier.release()
    const { code, stdout, stderr } = await runCli(
      lockArgs('job', 'echo "$LOCKKEEPER_NAME $LOCKKEEPER_TOKEN"; exit 7'),
    )
    assert.equal(code, 7, stderr)
    const [name, token] = stdout.trim().split(' ')
    assert.equal(name, 'job')
    assert.ok(Number(token) > earlier.token)
    const later = await keeper.lock('job', { waitMs: 0 })
    assert.ok(later.token > Number(token))
    await later.release()
  })

  it('does not start the command if the lock is not granted in time', async () => {
    const held = await keeper.lock('busy')
    const { code, stdout, stderr } = await runCli(lockArgs('busy', 'echo started', '--wait', '300ms'))
    assert.deepEqual([code, stdout], [EXIT.notNow, ''])
    assert.match(stderr, /"busy" was not granted within 300 ms/)
    await held.release()
    assert.deepEqual((await keeper.get('busy')).waiters, [])
  })

  it('passes SIGTERM on, and releases when the command has gone', async () => {
    await using cli = new Cli(
      lockArgs('polite', 'trap "exit 3" TERM; echo ready; while :; do sleep 0.02; done'),
    )
    await cli.line(/ready/)
    const next = keeper.lock('polite')
    cli.signal('SIGTERM')
    const { code, stderr } = await cli.ended()
    assert.equal(code, 3, stderr)
    // Sooner than its session could have expired: ten seconds is the TTL of the command line.
    await (await within('the next one is granted the lock', 5_000, next)).release()
  })

  it('ends the whole group before another can be granted, when the network is cut', async () => {
    await using network = await ClientNetwork.to(cluster)
    const { code, stderr } = await endsBeforeTheNextGrant('cut', network, () => network.cut())
    assert.equal(code, EXIT.lost, stderr)
    assert.match(stderr, /the lock on "cut" .* was lost: .*The command was stopped/)
  })

  it('ends the whole group before another can be granted, when it is killed itself', async () => {
    await using network = await ClientNetwork.to(cluster)
    const { code } = await endsBeforeTheNextGrant('killed', network, (cli) => cli.signal('SIGKILL'))
    assert.equal(code, null)
  })

  async function endsBeforeTheNextGrant(name: string, network: ClientNetwork, lose: (cli: Cli) => void) {
    const env = {
      NODE_OPTIONS: `--import=${TRANSLATE}`,
      TRANSLATED_ADDRESSES: JSON.stringify(Object.fromEntries(network.translation)),
    }
    await using cli = new Cli(lockArgs(name, STUBBORN_FAMILY, '--ttl', `${TTL_MS}ms`), env)
    await Promise.all([cli.line(/^child lives/), cli.line(/^grandchild lives/)])
    assert.equal((await keeper.get(name)).holders.length, 1)
    const next = keeper.lock(name).then((lock) => ({ lock, atMs: performance.now() }))
    await eventually('the next one stands in the queue', SOON_MS, async () =>
      (await keeper.get(name)).waiting === 1 ? true : undefined,
    )
    lose(cli)
    const { lock, atMs } = await within('the next one is granted the lock', SOON_MS, next)
    const ended = await cli.ended()
    const lastMs = (pattern: RegExp) =>
      cli.lines.filter(({ text }) => pattern.test(text)).at(-1)?.atMs ?? Number.NaN
    for (const who of ['child', 'grandchild']) {
      const [askedMs, livedMs] = [
        lastMs(new RegExp(`^${who} was asked`)),
        lastMs(new RegExp(`^${who} lives`)),
      ]
      assert.ok(livedMs > askedMs, `${who} went on after it was asked to go, until it was killed`)
      assert.ok(livedMs < atMs, `${who} lived at ${livedMs}, and the next one held the lock at ${atMs}`)
    }
    await lock.release()
    return ended
  }
})
