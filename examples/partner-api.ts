/**
 * What a semaphore protects: an API of a partner that serves five at a time, each at a place of its own. To the sixth, and to
 * who asks for a place that is taken, it says 429.
 *
 *     node dist/examples/partner-api.js 8081
 *
 *     GET /work?place=0     200, or 429
 *     GET /figures          {"served":60,"refused":0,"busiest":5}
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const PLACES = 5
const WORK_MS = 50

const [port = '8081'] = process.argv.slice(2)
/** Who is served where. */
const busy = new Map<number, object>()
let served = 0
let refused = 0
let busiest = 0

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url!, 'http://partner')
  if (pathname === '/figures') {
    response.end(JSON.stringify({ served, refused, busiest }))
    return
  }
  const place = Number(searchParams.get('place'))
  if (busy.has(place) || busy.size >= PLACES) {
    refused++
    response.writeHead(429).end('too many at a time\n')
    return
  }
  busy.set(place, request)
  busiest = Math.max(busiest, busy.size)
  const free = (): void => {
    if (busy.get(place) === request) busy.delete(place)
  }
  // A client that is gone is served no more.
  response.once('close', free)
  await sleep(WORK_MS)
  free()
  served++
  response.end('done\n')
})
server.listen(Number(port), '127.0.0.1', () => {
  console.log(`the partner serves at http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
