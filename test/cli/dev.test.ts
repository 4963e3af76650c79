import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { devConfig } from '../../src/cli/dev.js'
import { loadClusterConfig, nodeConfig } from '../../src/platform/config.js'

describe('lockkeeper dev', () => {
  it('runs what cluster-configs/dev.yaml says', () => {
    const { data, ...fromFile } = nodeConfig(loadClusterConfig('cluster-configs/dev.yaml'), 1)
    const { data: embeddedData, ...embedded } = devConfig(7101, './data/dev')
    assert.equal(embeddedData, data)
    assert.deepEqual(
      { ...embedded, nodes: embedded.nodes.map((node) => ({ ...node, data })) },
      { ...fromFile, nodes: fromFile.nodes.map((node) => ({ ...node, data })) },
    )
  })

  it('may run beside others, on other ports', () => {
    const { client, peer } = devConfig(9001, './data/beside')
    assert.deepEqual([client, peer], ['127.0.0.1:9001', '127.0.0.1:9101'])
  })
})
