import { InvalidArgumentError, Option } from 'commander'

const COUNT_MAX = 2_000_000

/** An option that takes a whole number from 1 on. */
export function countOption(flags: string, description: string, byDefault?: number): Option {
  return new Option(flags, description).default(byDefault).argParser((text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < 1 || value > COUNT_MAX) {
      throw new InvalidArgumentError(`It is a whole number from 1 to ${COUNT_MAX}.`)
    }
    return value
  })
}
