import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { type Keeper, type ScheduledRun, ScheduleOverrunError } from '../../src/client/index.js'
import { World } from './peer.js'
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
      // The period is counted from when its host heard of the grant; the slack is for a pause between that and our looking.
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

describe('a schedule by its own clock', () => {
  const everyMs = 2_000

  /** How long the name rests after a run that took so long, and when the run was late. */
  async function restAfter(tookMs: number, whenLate: 'skip' | 'queue'): Promise<number> {
    const world = new World()
    const keeper = await world.connect()
    const work = () => new Promise<void>((resolve) => void world.clock.after(tookMs, resolve))
    const schedule = keeper.schedule('late', { everyMs, whenLate, onError: fail }, work)
    await world.clock.turn()
    world.link.grant(world.link.last('acquire'), 7)
    await world.clock.advance(tookMs)
    await world.clock.turn()
    const { operation } = world.link.last('release')
    assert.ok(operation?.$case === 'release')
    world.link.answer(world.link.last('release'), { $case: 'released', value: {} })
    await schedule.stop()
    return operation.value.restMs
  }

  it('rests for what is left of the period', async () => {
    assert.equal(await restAfter(500, 'skip'), 1_500)
    assert.equal(await restAfter(500, 'queue'), 1_500)
  })

  it('that is late waits for the next multiple of the period, or runs at once', async () => {
    assert.equal(await restAfter(2_500, 'skip'), 1_500)
    assert.equal(await restAfter(2_500, 'queue'), 0)
  })

  it('holds its name until the period is over if it can not be made to rest, so that nobody runs before', async () => {
    const world = new World()
    const keeper = await world.connect()
    const errors: unknown[] = []
    let runs = 0
    const options = { everyMs, onError: (error: unknown) => errors.push(error) }
    const schedule = keeper.schedule('full', options, () => {
      runs++
    })
    await world.clock.turn()
    const { link } = world
    link.grant(link.last('acquire'), 7)
    await world.clock.turn()
    link.refuse(link.last('release'), 'LIMIT')
    await world.clock.advance(1_900)
    assert.deepEqual([runs, link.count('release'), link.count('acquire')], [1, 1, 1])
    assert.equal((errors[0] as { code: string }).code, 'LIMIT')
    await world.clock.advance(200)
    assert.equal(link.count('release'), 2)
    link.answer(link.last('release'), { $case: 'released', value: {} })
    await world.clock.turn()
    assert.equal(link.count('acquire'), 2)
    await schedule.stop()
  })
})
