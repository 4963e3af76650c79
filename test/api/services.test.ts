import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { service as healthService } from 'grpc-health-check'
import { OneNode, until } from './one-node.js'

const packages = createRequire(import.meta.url)

interface Package {
  readonly [name: string]: Package & ServiceClientConstructor
}

/** The protocol of the reflection service, as its package has it. */
function reflectionV1(): ServiceClientConstructor {
  const folder = dirname(packages.resolve('@grpc/reflection'))
  const proto = join(folder, '../proto/grpc/reflection/v1/reflection.proto')
  const loaded = loadPackageDefinition(loadSync(proto, { oneofs: true })) as unknown as Package
  return loaded.grpc!.reflection!.v1!.ServerReflection!
}

function healthV1(): ServiceClientConstructor {
  const definition = { 'grpc.health.v1.Health': healthService }
  const loaded = loadPackageDefinition(definition) as unknown as Package
  return loaded.grpc!.health!.v1!.Health!
}

describe('the standard services', () => {
  let node: OneNode
  before(async () => {
    node = await OneNode.start()
  })
  after(() => node.stop())

  it('health: serves when there is a leader; who watches is told when that ends', async () => {
    const client = new (healthV1())(node.address, credentials.createInsecure())
    for (const service of ['', 'lockkeeper.v1.Lockkeeper']) {
      const answer = await new Promise<{ status: string }>((resolve, reject) => {
        client.Check!({ service }, (error: Error | null, response: { status: string }) =>
          error === null ? resolve(response) : reject(error),
        )
      })
      assert.equal(answer.status, 'SERVING')
    }
    const watched: string[] = []
    let ended = false
    client.Watch!({ service: '' })
      .on('data', ({ status }: { status: string }) => watched.push(status))
      .on('error', () => undefined)
      .on('status', () => {
        ended = true
      })
    await until(() => watched.length > 0)
    await node.stopNode()
    await until(() => ended)
    assert.deepEqual(watched, ['SERVING', 'NOT_SERVING'])
    client.close()
  })

  it('health: does not serve without a majority', async () => {
    const lonely = await OneNode.start(3)
    const client = new (healthV1())(lonely.address, credentials.createInsecure())
    const answer = await new Promise<{ status: string }>((resolve, reject) => {
      client.Check!({ service: '' }, (error: Error | null, response: { status: string }) =>
        error === null ? resolve(response) : reject(error),
      )
    })
    assert.equal(answer.status, 'NOT_SERVING')
    client.close()
    await lonely.stop()
  })

  it('reflection: tools find the service without its .proto', async () => {
    const asked = await OneNode.start()
    const client = new (reflectionV1())(asked.address, credentials.createInsecure())
    const stream = client.ServerReflectionInfo!()
    const answers: {
      listServicesResponse?: { service: { name: string }[] }
      fileDescriptorResponse?: unknown
    }[] = []
    stream.on('data', (answer: (typeof answers)[number]) => answers.push(answer)).on('error', () => undefined)
    stream.write({ listServices: '' })
    stream.write({ fileContainingSymbol: 'lockkeeper.v1.Lockkeeper' })
    await until(() => answers.length === 2)
    const names = answers[0]!.listServicesResponse!.service.map(({ name }) => name)
    assert.ok(names.includes('lockkeeper.v1.Lockkeeper'), `${names}`)
    assert.ok(answers[1]!.fileDescriptorResponse, 'and how to call it')
    stream.end()
    client.close()
    await asked.stop()
  })
})
