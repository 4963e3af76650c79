import { parentPort, workerData } from 'node:worker_threads'
import { GrpcConnector } from './grpc-connector.js'
import { type Duty, type SignOfLife, StandIn } from './stand-in.js'
import { systemClock } from './system.js'

/** The program of the thread that `startStandIn` starts. It runs until it is terminated. */
const standIn = new StandIn({ clock: systemClock, connector: new GrpcConnector() }, workerData as Duty)
parentPort?.on('message', (sign: SignOfLife) => standIn.heard(sign))
