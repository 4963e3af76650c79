import { GrpcConnector } from './grpc-connector.js'
import { Keeper } from './keeper.js'
import { type ConnectOptions, toAddresses, toSettings } from './options.js'
import type { Ports } from './ports.js'
import { startStandIn } from './stand-in-thread.js'
import { secureRandom, systemClock } from './system.js'

/**
 * Connects to a cluster and opens a session.
 *
 * @param addresses `host:port` of some of its nodes, in a list or separated by commas; the others are learned
 *
 * Rejects with a `ConnectError` that says what was tried when no node could be used within `connectTimeoutMs`; with a
 * `RefusedError` when the cluster does not want this session; with the reason of `signal`.
 */
export function connect(
  addresses: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Keeper> {
  const connector = new GrpcConnector()
  const ports = { clock: systemClock, connector, random: secureRandom, startStandIn }
  return connectWith(ports, addresses, options)
}

/** The same in a world of the caller's choice. The connector is closed with the keeper, or when connecting fails. */
export async function connectWith(
  ports: Ports,
  addresses: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Keeper> {
  const { signal } = options
  signal?.throwIfAborted()
  const keeper = new Keeper(ports, toAddresses(addresses), toSettings(options))
  try {
    await (signal === undefined ? keeper.opened() : unlessAborted(keeper.opened(), signal))
    return keeper
  } catch (error) {
    await keeper.close()
    throw error
  }
}

function unlessAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
