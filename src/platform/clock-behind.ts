/** By the wall clock of this machine a restored cluster would give tokens out again. */
export class ClockBehindError extends Error {
  override readonly name = 'ClockBehindError'

  constructor(nowMs: number, earliestMs: number) {
    const [now, earliest] = [nowMs, earliestMs].map((ms) => new Date(ms).toISOString())
    super(
      `the wall clock of this machine says ${now}, and a cluster restored from this backup can begin from ${earliest} on: its first token comes from that clock; set it, and try again`,
    )
  }
}
