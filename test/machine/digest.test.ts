import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Digest } from '../../src/machine/digest.js'

function digestOf(data: string, textLengthMax?: number): number {
  const digest = new Digest(0)
  if (textLengthMax !== undefined) digest.textLengthMax = textLengthMax
  digest.verdict({ kind: 'found', token: 1, data })
  return digest.value
}

describe('the digest', () => {
  it('has all of a text, or its beginning and its length: thousands of large results cost little then', () => {
    const [a, b] = [`${'x'.repeat(100)}a`, `${'x'.repeat(100)}b`]
    assert.notEqual(digestOf(a), digestOf(b))
    assert.equal(digestOf(a, 64), digestOf(b, 64))
    assert.notEqual(digestOf(a, 64), digestOf(`${a}a`, 64))
    assert.notEqual(digestOf(a, 64), digestOf(a))
    assert.equal(digestOf('short', 64), digestOf('short'))
  })
})
