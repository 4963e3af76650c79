import { credentials } from '@grpc/grpc-js'
import { LockkeeperClient } from '../protocol/lockkeeper.js'

/** Streams and calls on one connection. A node takes some hundreds. */
const USERS_MAX = 64
const FRAME_BYTES_MAX = 4 * 1024 * 1024
const ANSWER_BYTES_MAX = 32 * 1024 * 1024

const CHANNEL_OPTIONS = {
  'grpc.max_send_message_length': FRAME_BYTES_MAX,
  'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
  // A lock service asked through a web proxy, or by a list of somebody's DNS, is a surprise.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Requests are repeated here, with their numbers; a second mechanism underneath would hide what happens.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  // Finds the connection whose packets vanish without a word.
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 2_000,
  // Closed with its last user, so that the process can end.
  'grpc.use_local_subchannel_pool': 1,
}

/** A connection to an address, while anything uses it. */
export interface Channel {
  readonly address: string
  readonly client: LockkeeperClient
  users: number
}

/**
 * The connections of this process. Sessions share them: when a leader is lost, each of its clients asks one node and then another,
 * and to connect again each time took 500 clients of one process longer than the election.
 */
class Channels {
  readonly #byAddress = new Map<string, Set<Channel>>()

  use(address: string): Channel {
    let channels = this.#byAddress.get(address)
    if (channels === undefined) {
      channels = new Set()
      this.#byAddress.set(address, channels)
    }
    let channel = [...channels].find(({ users }) => users < USERS_MAX)
    if (channel === undefined) {
      const client = new LockkeeperClient(address, credentials.createInsecure(), CHANNEL_OPTIONS)
      channel = { address, client, users: 0 }
      channels.add(channel)
    }
    channel.users++
    return channel
  }

  unuse(channel: Channel): void {
    if (--channel.users > 0) return
    const channels = this.#byAddress.get(channel.address)
    channels?.delete(channel)
    if (channels?.size === 0) this.#byAddress.delete(channel.address)
    channel.client.close()
  }
}

export const channels = new Channels()
