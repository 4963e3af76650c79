import { open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { type ReadBackup, readBackup } from '../backup/read.js'
import { GrpcConnector } from '../client/grpc-connector.js'
import { LockkeeperError } from '../client/index.js'
import { CliError, EXIT } from './exit-codes.js'
import { exitCodeOf, messageOf } from './failures.js'

/** Of the nodes at `addresses`, the first that can give a backup writes `file`; prints what it is of. */
export async function takeBackup(addresses: readonly string[], file: string, json: boolean): Promise<void> {
  const connector = new GrpcConnector()
  try {
    const backup = await firstOf(addresses, (address) => writeChecked(connector, address, file))
    process.stdout.write(`${json ? JSON.stringify(figuresOf(file, backup)) : sentence(file, backup)}\n`)
  } finally {
    connector.close()
  }
}

/** Rejects with a `CliError` that tells of every address if none is of use. */
async function firstOf<T>(addresses: readonly string[], ask: (address: string) => Promise<T>): Promise<T> {
  const problems: string[] = []
  for (const address of addresses) {
    try {
      return await ask(address)
    } catch (error) {
      if (!(error instanceof LockkeeperError) || exitCodeOf(error) !== EXIT.unavailable) throw error
      problems.push(`${address}: ${messageOf(error)}`)
    }
  }
  throw new CliError(
    EXIT.unavailable,
    `no node could give a backup (${problems.join('; ')}). Check --connect, and that a majority of the nodes is running`,
  )
}

/** What was there stays as it is until the new one is whole, checked, and on disk. */
async function writeChecked(connector: GrpcConnector, address: string, file: string): Promise<ReadBackup> {
  const partial = `${file}.partial`
  try {
    await write(connector, address, partial)
    const backup = await readBackup(partial)
    await rename(partial, file)
    await sync(dirname(resolve(file)))
    return backup
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
}

async function write(connector: GrpcConnector, address: string, path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for await (const { data } of connector.backup(address)) await file.writeFile(data)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function figuresOf(file: string, { header, bytes, checksum }: ReadBackup): object {
  const { clusterId: cluster, index, term, nextToken, takenAt } = header
  return { file, cluster, index, term, nextToken, takenAt, bytes, checksum }
}

function sentence(file: string, { header, bytes, checksum }: ReadBackup): string {
  const { clusterId, index, term, nextToken } = header
  return `${file}: ${bytes} bytes, cluster ${clusterId} up to entry ${index} of term ${term}, next token ${nextToken}, SHA-256 ${checksum}`
}
