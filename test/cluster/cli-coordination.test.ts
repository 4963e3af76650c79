import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { EXIT } from '../../src/cli/exit-codes.js'
import { connect, type Keeper } from '../../src/client/index.js'
import { Cli, runCli } from './cli.js'
import { eventually } from './eventually.js'
import type { Ended } from './program.js'

const SOON_MS = 10_000

describe('the command line, beyond a lock', { timeout: 120_000 }, () => {
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

  function run(...args: string[]): Promise<Ended> {
    return runCli(['--connect', cluster.addresses, ...args])
  }

  function start(...args: string[]): Cli {
    return new Cli(['--connect', cluster.addresses, ...args])
  }

  const SH = ['--', 'sh', '-c'] as const

  it('lock --shared stands beside other readers, and behind a writer', async () => {
    await using reader = await keeper.lock('report', { mode: 'shared' })
    const beside = await run('lock', 'report', '--shared', '--wait', '0', ...SH, 'echo read')
    assert.deepEqual([beside.code, beside.stdout], [0, 'read\n'], beside.stderr)
    const alone = await run('lock', 'report', '--wait', '0', ...SH, 'echo wrote')
    assert.deepEqual([alone.code, alone.stdout], [EXIT.notNow, ''])
    assert.match(alone.stderr, /"report" is held by .*; 0 wait/)
    assert.equal(reader.state, 'held')
  })

  it('lock --of gives each holder a seat of its own', async () => {
    const semaphore = keeper.semaphore('licence', { capacity: 3 })
    await using first = await semaphore.acquire()
    const print = 'echo "$LOCKKEEPER_SEATS"'
    const second = await run('lock', 'licence', '--of', '3', '--permits', '2', ...SH, print)
    assert.deepEqual([first.seats, second.stdout], [[0], '1 2\n'], second.stderr)
    const other = await run('lock', 'licence', '--of', '4', ...SH, print)
    assert.equal(other.code, EXIT.notNow)
    assert.match(other.stderr, /in use as a semaphore of 3/)
    const unsaid = await run('lock', 'licence', '--permits', '2', ...SH, print)
    assert.deepEqual([unsaid.code, unsaid.stdout], [EXIT.usage, ''])
    for (const rest of ['--min-hold', '--lock-delay']) {
      const unheard = await run('lock', 'licence', '--of', '3', rest, '1m', ...SH, print)
      assert.deepEqual([unheard.code, unheard.stdout], [EXIT.usage, ''], 'would not be heeded')
    }
  })

  it('lock --and takes all names or none', async () => {
    await using other = await keeper.lock('b/2')
    const args = ['lock', 'a/1', '--and', 'b/2', '--wait', '0', ...SH, 'echo "$LOCKKEEPER_NAMES"'] as const
    assert.equal((await run(...args)).code, EXIT.notNow)
    assert.equal((await keeper.get('a/1')).holding, 0)
    await other.release()
    assert.equal((await run(...args)).stdout, 'a/1\nb/2\n')
  })

  it('lock --min-hold keeps a cron job from running on the next host, however short it is', async () => {
    const args = ['lock', 'nightly', '--wait', '0', '--min-hold', '1h', ...SH, 'echo ran'] as const
    assert.equal((await run(...args)).stdout, 'ran\n')
    const late = await run(...args)
    assert.deepEqual([late.code, late.stdout], [EXIT.notNow, ''])
    assert.match(late.stderr, /"nightly" rests: it is granted to nobody for another 59m/)
    assert.match((await run('show', 'nightly')).stdout, /rests: nothing is granted for 59m/)
  })

  it('elect runs the command while leading, all see its value, and its end lets the next one lead', async () => {
    await using first = start('elect', 'boss', 'host-a', ...SH, 'echo "led $LOCKKEEPER_TOKEN"; sleep 60')
    const { text } = await first.line(/^led \d+$/)
    await using second = start('elect', 'boss', 'host-b')
    await eventually('host-b is a candidate', SOON_MS, async () => {
      const [candidate] = await keeper.election('boss').candidates()
      return candidate?.value === 'host-b'
    })
    assert.equal((await keeper.election('boss').leader())?.value, 'host-a')
    first.signal('SIGTERM')
    assert.equal((await first.ended()).code, 143)
    const later = await second.line(/^leading "boss" with token \d+$/)
    assert.ok(Number(later.text.split(' ').at(-1)) > Number(text.split(' ')[1]))
    second.signal('SIGTERM')
    assert.equal((await second.ended()).code, 0)
    assert.equal(await keeper.election('boss').leader(), undefined)
  })

  it('elect ends the command when leadership is taken by force', async () => {
    await using leader = start('elect', 'throne', 'king', '--ttl', '3s', ...SH, 'echo reigns; sleep 60')
    await leader.line(/^reigns$/)
    const taken = await run('force-release', 'throne', '--note', 'revolution')
    assert.deepEqual([taken.code, taken.stdout], [0, '1 claim ended on "throne".\n'], taken.stderr)
    const ended = await leader.ended()
    assert.equal(ended.code, EXIT.lost)
    assert.match(ended.stderr, /revolution.*The command was stopped/s)
    assert.match((await run('show', 'throne')).stdout, /forceRelease .*revolution/)
  })

  it('once runs the command once, and gives all others what it wrote', async () => {
    const args = ['once', 'invoice-1', ...SH, 'echo "sent by $$"; sleep 0.3'] as const
    const all = await Promise.all([run(...args), run(...args), run(...args)])
    const later = await run(...args)
    assert.deepEqual(new Set([...all, later].map(({ code }) => code)), new Set([0]))
    assert.equal(new Set([...all, later].map(({ stdout }) => stdout)).size, 1)
    const other = await run('once', 'invoice-1', ...SH, 'echo another')
    assert.deepEqual([other.code, other.stdout], [EXIT.notNow, ''])
    assert.match(other.stderr, /"invoice-1" is in use for another command.*--fingerprint/s)
  })

  it('once passes a failure on, and does not count it', async () => {
    const failed = await run('once', 'shaky', '--fingerprint', 'v1', ...SH, 'echo halfway; exit 9')
    assert.deepEqual([failed.code, failed.stdout], [9, 'halfway\n'])
    const again = await run('once', 'shaky', '--fingerprint', 'v1', ...SH, 'echo whole')
    assert.deepEqual([again.code, again.stdout], [0, 'whole\n'])
  })

  it('once refuses what it could not keep before it runs anything', async () => {
    const { code, stdout, stderr } = await run('once', 'eternal', '--keep', '40d', ...SH, 'echo ran')
    assert.deepEqual([code, stdout], [EXIT.usage, ''])
    assert.match(stderr, /31 days/)
  })

  it('once remembers that it was done, though what was written is too long to be kept', async () => {
    const args = ['once', 'long', ...SH, 'head -c 40000 /dev/zero | tr "\\0" x'] as const
    assert.equal((await run(...args)).stdout.length, 40_000)
    const later = await run(...args)
    assert.deepEqual([later.code, later.stdout], [0, ''])
    assert.match(later.stderr, /too long to be kept/)
  })

  it('queue keeps members in order, as long as they live', async () => {
    await using watching = start('queue', 'watch', 'workers', '--json')
    await watching.line(/"kind":"state"/)
    await using first = start('queue', 'join', 'workers', '--data', 'host-a', ...SH, 'echo in; sleep 60')
    await first.line(/^in$/)
    await using second = start('queue', 'join', 'workers', '--data', 'host-b')
    await second.line(/^joined "workers" with token \d+, behind 1 others$/)
    const listed = (await run('queue', 'list', 'workers', '--json')).stdout.trim().split('\n')
    assert.deepEqual(
      listed.map((line) => JSON.parse(line).data),
      ['host-a', 'host-b'],
    )
    first.signal('SIGTERM')
    await watching.line(/"kind":"left".*host-a/)
    assert.match((await run('queue', 'list', 'workers')).stdout, /host-b/)
  })

  it('show tells holders, the whole queue with how long each waits, and what was done', async () => {
    await using holder = await keeper.lock('crowd', { label: 'first' })
    await using crowd = await connect(cluster.addresses)
    const waiters = Array.from({ length: 130 }, (_, i) =>
      crowd.lock('crowd', { label: `waiter ${i}` }).catch(() => undefined),
    )
    await eventually('all wait', SOON_MS, async () => (await keeper.get('crowd')).waiting === 130)
    const { stdout } = await run('show', 'crowd')
    assert.match(stdout, /1 hold it, 130 wait/)
    assert.match(stdout, new RegExp(`first .*exclusive +${holder.token} `))
    assert.match(stdout, /Granted once, after 0ms on average/)
    assert.match(stdout, /130 +waiter 129 .* (\d+ms|\d+\.\ds) /)
    const whole = JSON.parse((await run('show', 'crowd', '--json')).stdout)
    assert.equal(whole.waiters.length, 130)
    await crowd.close()
    await Promise.all(waiters)
  })

  it('sessions shows who is connected, and how much each holds', async () => {
    await using other = await connect(cluster.addresses, { label: 'billing' })
    await other.lock('invoice/1')
    const lines = (await run('sessions', '--json')).stdout.trim().split('\n')
    const billing = lines.map((line) => JSON.parse(line)).find(({ label }) => label === 'billing')
    assert.deepEqual([billing.holding, billing.waiting], [1, 0])
    assert.match((await run('sessions')).stdout, /billing/)
  })

  it('watch shows each change, and ends in order', async () => {
    await using watching = start('watch', 'gate')
    await watching.line(/0 hold it/)
    const lock = await keeper.lock('gate', { label: 'porter' })
    await watching.line(/granted: porter/)
    await lock.release()
    await watching.line(/left \(released\): porter/)
    watching.signal('SIGINT')
    assert.equal((await watching.ended()).code, 0)
  })

  it('suspend stops grants and asks the holder, resume goes on', async () => {
    await using holder = await keeper.lock('valve')
    const asked = new Promise<string>((resolve) => holder.onReleaseRequested(resolve))
    const suspended = await run('suspend', 'valve', '--note', 'maintenance')
    assert.equal(suspended.code, 0, suspended.stderr)
    assert.match(await asked, /maintenance/)
    await holder.release()
    assert.equal((await run('lock', 'valve', '--wait', '0', '--', 'true')).code, EXIT.notNow)
    assert.match(
      (await run('show', 'valve')).stdout,
      /suspended: nothing is granted until it is resumed \(maintenance\)/,
    )
    assert.equal((await run('resume', 'valve')).code, 0)
    assert.equal((await run('lock', 'valve', '--wait', '0', '--', 'true')).code, 0)
    assert.equal((await run('resume', 'valve')).code, EXIT.notNow)
    assert.equal((await run('request-release', 'valve')).code, EXIT.notNow)
  })
})
