import { parentPort, workerData } from 'node:worker_threads'
import { Simulation } from './simulation.js'

/** Of the thread, to all seeds that it is asked to run. */
export interface Orders {
  readonly troubleMs: number
  readonly trace: boolean
}

/** A thread that runs the seeds it is sent, one after the other, and sends back what each came to. */
const { troubleMs, trace }: Orders = workerData
const print = trace ? { print: (line: string) => void process.stdout.write(`${line}\n`) } : {}

parentPort!.on('message', async (seed: number) => {
  parentPort!.postMessage(await new Simulation({ seed, troubleMs, ...print }).run())
})
