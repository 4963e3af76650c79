import { appendFileSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { perform } from './actor.js'

/**
 * What the lock protects: a bank account behind HTTP, one line of its file for each write. It checks fencing tokens, as
 * every resource should: a write comes too late if a greater token than its own has been seen.
 */

export interface Write {
  readonly by: string
  readonly token: number
  readonly balance: number
}

export type Verdict =
  | { readonly isAccepted: true }
  | { readonly isAccepted: false; readonly greatestToken: number }

const [file] = process.argv.slice(2) as [string]
const record = (write: Write): void => appendFileSync(file, `${JSON.stringify(write)}\n`, { flush: true })
record({ by: 'the bank', token: 0, balance: 100 })

function history(): Write[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Write)
}

function judge(write: Write): Verdict {
  const greatestToken = Math.max(...history().map(({ token }) => token))
  if (write.token < greatestToken) return { isAccepted: false, greatestToken }
  record(write)
  return { isAccepted: true }
}

const server = createServer(async (request, response) => {
  try {
    const answer = request.method === 'PUT' ? judge(await bodyOf(request)) : history().at(-1)
    response.end(JSON.stringify(answer))
  } catch (error) {
    response.writeHead(500).end(String(error))
  }
})

async function bodyOf(request: IncomingMessage): Promise<Write> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as Write
}

const deeds = {
  /** Resolves with the URL. */
  open: () =>
    new Promise<string>((resolve) => {
      server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
      )
    }),
  history,
}
export type AccountDeeds = typeof deeds

perform(deeds)
