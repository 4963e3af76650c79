import { type Server, ServerCredentials } from '@grpc/grpc-js'

/** An address can't be listened at. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

/** Makes `server` listen at `address`, 'host:port', in plain TCP, for `whom`. Rejects with a `ListenError`. */
export function listen(server: Server, address: string, whom: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve()
      else reject(listenError(address, whom, error))
    })
  })
}

function listenError(address: string, whom: string, cause: Error): ListenError {
  const inUse = /EADDRINUSE/.test(cause.message)
  const remedy = inUse
    ? 'another process has it: stop that process, or choose another port'
    : 'check host and port in the configuration'
  return new ListenError(`can't listen for ${whom} at ${address} (${cause.message}): ${remedy}`, { cause })
}
