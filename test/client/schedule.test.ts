import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { type Keeper, type ScheduledRun, ScheduleOverrunError } from '../../src/client/index.js'
import { Served, until, waiting } from './served.js'

const fail = (error: unknown): never => assert.fail(String(error))

describe('a schedule', () => {
  const served = new Served()
  let ann: Keeper
  let bob: Keeper
  before(async () => {
    ann = await served.connect()
    bob = await served.connect()
  })

  it('runs once per period, whoever runs it, however many hosts ask for it', async () => {
    const everyMs = 300
    const runs: { readonly host: string; readonly atMs: number; readonly token: number }[] = []
    const on = (host: string) => (run: ScheduledRun) => {
      runs.push({ host, atMs: performance.now(), token: run.token })
    }
    await using _ann = ann.schedule('tick', { everyMs, onError: fail }, on('ann'))
    await using _bob = bob.schedule('tick', { everyMs, onError: fail }, on('bob'))
    await until(() => runs.length >= 6)
    for (const [k, run] of runs.entries()) {
      if (k === 0) continue
      // A grant may be told late, which shortens what its host sees of the period, but not by more than the noise here.
      assert.ok(run.atMs - runs[k - 1]!.atMs > everyMs * 0.7, JSON.stringify(runs))
      assert.ok(run.token > runs[k - 1]!.token)
    }
    assert.deepEqual(new Set(runs.map(({ host }) => host)), new Set(['ann', 'bob']))
  })

  it('rests until the period is over that began with the run, and no other host runs it meanwhile', async () => {
    let ran = 0
    await using schedule = ann.schedule('rest', { everyMs: 60_000, onError: fail }, () => {
      ran++
    })
    await until(async () => ran === 1 && (await bob.get('rest')).restMs > 0)
    const { restMs, holding } = await bob.get('rest')
    assert.ok(restMs > 50_000 && restMs <= 60_000, `${restMs}`)
    assert.equal(holding, 0)
    assert.equal(await bob.lock('rest', { ifAvailable: true }), null)
    await schedule.stop()
    await waiting(bob, 'rest', 0)
  })

  it('that is late waits for the next multiple of the period, or runs at once', async () => {
    const everyMs = 400
    for (const [whenLate, restsMs] of [
      ['skip', [everyMs / 4, everyMs]],
      ['queue', [0, 0]],
    ] as const) {
      let end = (): void => undefined
      let runs = 0
      await using schedule = ann.schedule(`late/${whenLate}`, { everyMs, whenLate, onError: fail }, () => {
        runs++
        return new Promise<void>((resolve) => {
          end = resolve
        })
      })
      await until(() => runs === 1)
      const beganMs = performance.now()
      await until(() => performance.now() - beganMs > everyMs * 1.2)
      const stopped = schedule.stop()
      end()
      await stopped
      const { restMs } = await bob.get(`late/${whenLate}`)
      assert.ok(restMs <= restsMs[1], `${whenLate}: ${restMs}`)
      if (whenLate === 'queue') assert.equal(restMs, 0)
      else assert.ok(restMs > 0, `${whenLate}: ${restMs}`)
    }
  })

  it('reports what a run throws, and runs again', async () => {
    const errors: unknown[] = []
    let runs = 0
    await using _schedule = ann.schedule(
      'throws',
      { everyMs: 50, onError: (error) => errors.push(error) },
      () => {
        runs++
        if (runs === 1) throw new Error('first')
        return Promise.reject(new Error('later'))
      },
    )
    await until(() => errors.length >= 2)
    assert.deepEqual(
      errors.slice(0, 2).map((error) => (error as Error).message),
      ['first', 'later'],
    )
  })

  it('bounds a run: it is told to end, and another host may run', async () => {
    const errors: unknown[] = []
    let runs = 0
    let end = (): void => undefined
    const stuck = (run: ScheduledRun): Promise<void> => {
      runs++
      return new Promise((resolve) => {
        end = () => {
          assert.throws(() => run.assertHeld(), { name: 'LockLostError' })
          resolve()
        }
      })
    }
    const options = { everyMs: 100, atMostMs: 150, onError: (error: unknown) => errors.push(error) }
    const schedule = ann.schedule('stuck', options, stuck)
    await until(() => errors.length > 0)
    assert.ok(errors[0] instanceof ScheduleOverrunError)
    await using _other = await bob.lock('stuck', { waitMs: 5_000 })
    // This host stands in line again when its own run has ended, not before.
    assert.deepEqual([runs, (await bob.get('stuck')).waiting], [1, 0])
    const stopped = schedule.stop()
    end()
    await stopped
    assert.equal(errors.length, 1)
  })

  it('whose host is lost is taken over by another, not before it has rested', async () => {
    const everyMs = 60_000
    const errors: unknown[] = []
    const tokens: number[] = []
    let end = (): void => undefined
    const options = { everyMs, atLeastMs: 300, onError: (error: unknown) => errors.push(error) }
    const schedule = ann.schedule('taken', options, (run) => {
      tokens.push(run.token)
      return new Promise<void>((resolve) => {
        end = resolve
        run.signal.addEventListener('abort', () => resolve())
      })
    })
    await until(() => tokens.length === 1)
    // Later than `atLeastMs` after its beginning: only its loss lets the name rest.
    const beganMs = performance.now()
    await until(() => performance.now() - beganMs > options.atLeastMs)
    await bob.forceRelease('taken', { note: 'host on fire' })
    await until(() => errors.length === 1)
    assert.match(String(errors[0]), /host on fire/)
    await schedule.stop()
    const { restMs } = await bob.get('taken')
    assert.ok(restMs > 0 && restMs <= 300, `${restMs}`)
    await using _other = bob.schedule(
      'taken',
      { everyMs, onError: fail },
      (run) => void tokens.push(run.token),
    )
    await until(() => tokens.length === 2)
    assert.ok(tokens[1]! > tokens[0]!)
    end()
  })

  it('ends when its keeper is closed, and leaves nobody in line', async () => {
    const closed = await served.connect()
    await using _held = await ann.lock('closed')
    const schedule = closed.schedule('closed', { everyMs: 1_000, onError: fail }, () => assert.fail('ran'))
    await until(async () => (await bob.get('closed')).waiting === 1)
    await closed.close()
    await schedule.stop()
    assert.equal((await bob.get('closed')).waiting, 0)
  })

  it('makes no sense of nonsense', async () => {
    const invalid = { name: 'RefusedError', code: 'INVALID' }
    const never = (): never => assert.fail('ran')
    for (const everyMs of [0, -1, Number.NaN, 32 * 86_400_000])
      assert.throws(() => ann.schedule('x', { everyMs, onError: fail }, never), invalid)
    assert.throws(() => ann.schedule('x', { everyMs: 1, atMostMs: 0, onError: fail }, never), invalid)
    assert.throws(
      () => ann.schedule('x', { everyMs: 1, whenLate: 'panic' as 'skip', onError: fail }, never),
      invalid,
    )
    const errors: unknown[] = []
    await using _schedule = ann.schedule('', { everyMs: 1, onError: (error) => errors.push(error) }, never)
    await until(() => errors.length > 0)
    assert.equal((errors[0] as { code: string }).code, 'INVALID')
  })
})
