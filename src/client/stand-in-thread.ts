import { Worker } from 'node:worker_threads'
import type { StandInOwner, StandInThread } from './ports.js'
import type { Duty } from './stand-in.js'

/** A real thread, with an event loop and connections of its own. It starts although the event loop here is blocked from now on. */
export function startStandIn(duty: Duty, owner: StandInOwner): StandInThread {
  let isOver = false
  const over = (problem: string): void => {
    if (isOver) return
    isOver = true
    owner.standInEnded(`the thread that renews it while this one is busy has ended: ${problem}`)
  }
  let worker: Worker
  try {
    // What the program itself was started with (loaders, a debugger, --input-type) is not meant for this thread.
    worker = new Worker(new URL('./stand-in-worker.js', import.meta.url), { workerData: duty, execArgv: [] })
  } catch (error) {
    queueMicrotask(() => over(String(error)))
    return {
      tell: () => undefined,
      stop: () => {
        isOver = true
      },
    }
  }
  worker.on('message', () => {
    if (!isOver) owner.standInReady()
  })
  worker.on('error', (error) => over(String(error)))
  worker.on('exit', (code) => over(`exit code ${code}`))
  return {
    tell: (sign) => worker.postMessage(sign),
    stop: () => {
      isOver = true
      void worker.terminate()
    },
  }
}
