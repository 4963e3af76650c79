import { connected, holdUntilSignal, runAndRelease } from './holding.js'
import { orWhyNot } from './why-not.js'

export interface ElectRequest {
  /** host:port, separated by commas. */
  readonly addresses: string
  readonly name: string
  readonly value: string
  /** Empty: none; it leads until a signal ends it. */
  readonly command: readonly string[]
  readonly ttlMs: number
  readonly waitMs: number | undefined
  readonly label: string
}

/** Stands for election, and runs a command while leading; resolves with the exit code. */
export function runWhileLeading(request: ElectRequest): Promise<number> {
  const { addresses, name, value, command, ttlMs, waitMs, label } = request
  return connected({ addresses, ttlMs, what: `the election "${name}"` }, async (keeper, relay) => {
    const options = { label, signal: relay.stopped, ...(waitMs !== undefined && { waitMs }) }
    const leadership = await orWhyNot(keeper, [name], () => keeper.election(name).campaign(value, options))
    if (command.length === 0) {
      process.stdout.write(`leading "${name}" with token ${leadership.token}\n`)
      return await holdUntilSignal(leadership, ttlMs, relay)
    }
    const environment = { LOCKKEEPER_NAME: name, LOCKKEEPER_TOKEN: String(leadership.token) }
    return await runAndRelease(leadership, { command, ttlMs, environment }, relay)
  })
}
