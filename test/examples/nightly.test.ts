import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { LocalCluster } from '../../scripts/cluster/local-cluster.js'
import { eventually } from '../cluster/eventually.js'
import { Example } from './page.js'

const HOST_A = 'node dist/examples/nightly.js host-a 2000'
const HOST_B = 'node dist/examples/nightly.js host-b 2000'
const SCRIPT = 'examples/nightly.sh echo the report is written'
const SCRIPT_LATER = 'examples/nightly.sh echo the same on the other host'
const PERIOD_MS = 2_000
const RUNS = 4
const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

describe('cron on two hosts', { timeout: 120_000 }, () => {
  let cluster: LocalCluster
  let bin: string

  before(async () => {
    cluster = await LocalCluster.start()
    bin = await mkdtemp(join(tmpdir(), 'lockkeeper-bin-'))
    const command = `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`
    await writeFile(join(bin, 'lockkeeper'), command, { mode: 0o755 })
  })
  after(async () => {
    await cluster?.stop()
    await rm(bin, { recursive: true, force: true })
  })

  function start(command: string, insteadOf = {}, env = {}): Example {
    const PATH = `${bin}:${process.env.PATH}`
    return new Example(command, { LOCKKEEPER_ADDRESSES: cluster.addresses, PATH, ...env }, insteadOf)
  }

  it('runs the job once per period, and again when the host that runs it is killed', async () => {
    const hosts = [start(HOST_A), start(HOST_B)]
    await using a = hosts[0]!
    await using b = hosts[1]!
    const runs = () =>
      hosts
        .flatMap((host) => host.lines.filter(({ text }) => text.includes(' begins ')))
        .sort((one, other) => one.atMs - other.atMs)
        .map(({ text, atMs }) => ({ token: Number(text.split(' ').at(-1)), atMs }))
    const some = await eventually('some runs', 30_000, () => (runs().length >= RUNS ? runs() : undefined))
    for (const [k, { token, atMs }] of some.entries()) {
      if (k === 0) continue
      assert.ok(token > some[k - 1]!.token)
      // What is seen here of a run may come late, not early.
      assert.ok(atMs - some[k - 1]!.atMs > PERIOD_MS / 2, JSON.stringify(some))
    }
    const last = runs().at(-1)!
    const [victim, survivor] = a.lines.some(({ text }) => text.endsWith(` ${last.token}`)) ? [a, b] : [b, a]
    const before = survivor.lines.length
    victim.signal('SIGKILL')
    await survivor.line(/^host-[ab] begins with token \d+$/, before)
    await survivor.line(/^host-[ab] has written the report$/, before)
    await survivor.printsAsShown()
    survivor.signal('SIGTERM')
    assert.deepEqual((await survivor.ended()).code, 0)
  })

  it('by the command line: a job that fails is a failure', async () => {
    await using failing = start(SCRIPT, { echo: 'no-such-command' }, { MIN_HOLD: '0' })
    assert.equal((await failing.ended()).code, 127)
  })

  it('by the command line: the second host finds the name taken, also when the job is over', async () => {
    await using first = start(SCRIPT)
    await first.endsAsShown()
    await using second = start(SCRIPT_LATER)
    await second.printsAsShown()
    assert.equal((await second.ended()).code, 0)
  })
})
