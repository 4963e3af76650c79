/** By the names of the contract (`RefusalCode` in lockkeeper.proto). */
export type ChangeCode = 'NOT_LEADER' | 'NO_LEADER' | 'BUSY' | 'INVALID' | 'LIMIT' | 'NOT_READY'

/** What an operator asked for is not done. `message` says what to do next. */
export class ChangeRefused extends Error {
  override readonly name = 'ChangeRefused'

  constructor(
    readonly code: ChangeCode,
    message: string,
  ) {
    super(message)
  }
}
