import { type Command, Option } from 'commander'
import { addresses } from './arguments.js'

export function connectOption(): Option {
  const description = 'host:port of the nodes, separated by commas; also from LOCKKEEPER_ADDRESSES'
  return new Option('--connect <addresses>', description).argParser(addresses)
}

export function addressesOf(command: Command): string[] {
  return command.opts().connect ?? addressesOf(command.parent!)
}
