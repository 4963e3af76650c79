import { parentPort, workerData } from 'node:worker_threads'
import { GrpcConnector } from './grpc-connector.js'
import { type Duty, type SignOfLife, StandIn } from './stand-in.js'
import { systemClock } from './system.js'

/** The program of the thread that `startStandIn` starts. It runs until it is terminated. */
const world = { clock: systemClock, connector: new GrpcConnector() }
const standIn = new StandIn(world, workerData as Duty, () => parentPort?.postMessage('ready'))
parentPort?.on('message', (sign: SignOfLife) => standIn.heard(sign))
