import { InvalidArgumentError, Option } from 'commander'

/** An option that takes a whole number from 1 on. */
export function countOption(flags: string, description: string, byDefault: number): Option {
  return new Option(flags, description).default(byDefault).argParser((text) => {
    const value = Number(text)
    if (!Number.isInteger(value) || value < 1 || value > 100_000) {
      throw new InvalidArgumentError('It is a whole number from 1 to 100000.')
    }
    return value
  })
}
