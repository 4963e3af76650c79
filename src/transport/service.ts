import { type ChannelOptions, credentials, type MethodDefinition, status } from '@grpc/grpc-js'
import type { Logger } from 'pino'
import { GrpcPort, type PortLimits } from '../platform/port/index.js'
import type { Clock, Loss } from '../replica/ports.js'
import {
  CALLS_MAX,
  CALLS_PER_CONNECTION_MAX,
  FRAME_BYTES_MAX,
  FRAME_MS,
  HELLO_BYTES_MAX,
  PARTS_BYTES_MAX,
  SILENT_MS,
  UNTAKEN_MS,
} from './limits.js'

/** Frames are bytes to gRPC; `codec.ts` and `hello.ts` give them meaning. */
function asItIs(frame: Buffer): Buffer {
  return frame
}

/** Items of peers that run. */
export const STREAM = methodOf('Stream')
/** Questions of a peer that can't run, for its disk is damaged. */
export const SALVAGE = methodOf('Salvage')

function methodOf(name: string): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/lockkeeper.peer.v1.Peer/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  }
}

/** How a stream ends whose sender is known, and has lost what it promised. */
export const LOST: Readonly<Record<Loss, status>> = {
  disk: status.DATA_LOSS,
  end_of_log: status.OUT_OF_RANGE,
}

export function lossOf(code: status): Loss | undefined {
  return (['disk', 'end_of_log'] as const).find((loss) => LOST[loss] === code)
}

/** Peers talk plain TCP. */
export const CLIENT_CREDENTIALS = credentials.createInsecure()

/**
 * Each attempt to connect has a channel of its own, so gRPC's backoff, retries and shared connections are out of play.
 * Without a retry buffer the callback of a write means that the socket took the bytes. The pings find the stream that a
 * long partition left half open: TCP alone would wait about as long again as the partition lasted.
 */
export const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.max_receive_message_length': FRAME_BYTES_MAX,
  'grpc.max_send_message_length': FRAME_BYTES_MAX,
  'grpc.service_config_disable_resolution': 1,
}

/** Where peers reach this node. */
export function peerPort(connectionsMax: number, clock: Clock, logger: Logger): GrpcPort {
  return new GrpcPort({
    server: { 'grpc.max_receive_message_length': FRAME_BYTES_MAX },
    limits: limitsOf(connectionsMax),
    refused: (_, details) => ({ code: status.RESOURCE_EXHAUSTED, details }),
    clock,
    logger,
    whom: 'peers',
  })
}

function limitsOf(connectionsMax: number): PortLimits {
  return {
    connectionsMax,
    connectionsPerAddressMax: connectionsMax,
    callsMax: CALLS_MAX,
    callsPerConnectionMax: CALLS_PER_CONNECTION_MAX,
    bufferedBytesMax: PARTS_BYTES_MAX,
    bufferedBytesPerConnectionMax: 2 * FRAME_BYTES_MAX,
    messageBytesMax: (path) => (path === STREAM.path ? ITEMS : QUESTIONS),
    silentMsMax: SILENT_MS,
    idleMsMax: SILENT_MS,
    messageMsMax: FRAME_MS,
    untakenMsMax: UNTAKEN_MS,
  }
}

/** Until it has said hello, a peer is a stranger. */
const ITEMS = { first: HELLO_BYTES_MAX, later: FRAME_BYTES_MAX }
/** Questions of salvage are smaller than a hello. */
const QUESTIONS = { first: HELLO_BYTES_MAX, later: HELLO_BYTES_MAX }
