import {
  type Bindings,
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
  stdTimeFunctions,
} from 'pino'
import { RepeatedWarnings } from './repeated-warnings.js'

export type { Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const STDERR = 2
/** Lines that wait for a reader of stderr who is stuck; newer ones are then dropped rather than the node stalled. */
const WAITING_BYTES_MAX = 1024 * 1024
const { warn: WARN = 0, error: ERROR = 0 } = pino.levels.values

/**
 * JSON lines on stderr, written beside the event loop and flushed when the process exits. `context` is in each line. Warnings and
 * errors with a `reason` or an `err` are written once a minute for each reason and peer, or for each `kind` if they have one.
 */
export function createLogger(
  level: LogLevel,
  context: Record<string, string | number>,
  destination: DestinationStream = pino.destination({
    dest: STDERR,
    sync: false,
    maxLength: WAITING_BYTES_MAX,
  }),
  nowMs: () => number = () => performance.now(),
): Logger {
  const formatters = { level: (label: string) => ({ level: label }) }
  const hooks = { logMethod: onceAMinute(new RepeatedWarnings(nowMs)) }
  return pino({ level, base: context, timestamp: stdTimeFunctions.isoTime, formatters, hooks }, destination)
}

function onceAMinute(
  warnings: RepeatedWarnings,
): NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']> {
  return function (this: Logger, line, write, level): void {
    const [fields, ...rest] = line as [Bindings, ...string[]]
    const reason = fields?.reason ?? fields?.err?.message
    if (reason === undefined || (level !== WARN && level !== ERROR)) return write.apply(this, line)
    const repeated = warnings.next(
      JSON.stringify([this.bindings().peer, fields.peer, fields.kind ?? reason, ...rest]),
    )
    if (repeated === undefined) return
    write.apply(this, [repeated === 0 ? fields : { ...fields, repeated }, ...rest] as typeof line)
  }
}
