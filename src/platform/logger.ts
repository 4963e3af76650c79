import { type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const STDERR = 2
/** Lines that wait for a reader of stderr who is stuck; newer ones are then dropped rather than the node stalled. */
const WAITING_BYTES_MAX = 1024 * 1024

/** JSON lines on stderr, written beside the event loop and flushed when the process exits. `context` is in each line. */
export function createLogger(level: LogLevel, context: Record<string, string | number>): Logger {
  const destination = pino.destination({ dest: STDERR, sync: false, maxLength: WAITING_BYTES_MAX })
  const formatters = { level: (label: string) => ({ level: label }) }
  return pino({ level, base: context, timestamp: stdTimeFunctions.isoTime, formatters }, destination)
}
