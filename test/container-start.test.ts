import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const START = fileURLToPath(new URL('../../scripts/container-start', import.meta.url))
const MIB = 1024 * 1024
/** Another file system in the place of that of the cgroups, for one process. */
const canMount = spawnSync('unshare', ['-m', 'mount', '--bind', tmpdir(), '/sys/fs/cgroup']).status === 0

/** The arguments that node is started with, if the cgroup has these files. */
function argumentsWith(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'lockkeeper-cgroup-'))
  try {
    mkdirSync(join(directory, 'memory'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), `${text}\n`)
    const node = join(directory, 'node')
    writeFileSync(node, '#!/bin/sh\nfor each; do echo "$each"; done\nexit 7\n')
    chmodSync(node, 0o755)
    const mounted = 'mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"'
    const args = ['-m', 'sh', '-c', mounted, 'sh', directory, START, 'serve', '--node', '1 2']
    const { status, stdout } = spawnSync('unshare', args, {
      env: { ...process.env, NODE_OPTIONS: '', ...env, PATH: `${directory}:${process.env.PATH}` },
      encoding: 'utf8',
    })
    assert.equal(status, 7, 'its exit code is that of node')
    return stdout.trimEnd().split('\n')
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** In MiB; undefined if it is left to node. */
function heapWith(files: Readonly<Record<string, string>>, env?: NodeJS.ProcessEnv): number | undefined {
  const [first, ...others] = argumentsWith(files, env)
  const heap = /^--max-old-space-size=(\d+)$/.exec(first!)?.[1]
  const [main, ...args] = heap === undefined ? [first, ...others] : others
  assert.match(main!, /dist\/src\/cli\/main\.js$/)
  assert.deepEqual(args, ['serve', '--node', '1 2'])
  return heap === undefined ? undefined : Number(heap)
}

describe('the entry point of the image', {
  skip: !canMount && 'this machine does not let a process mount',
}, () => {
  it('starts node with a heap that leaves the container 256 MiB, at least a half and at most three quarters of its memory', () => {
    const heaps = [256, 512, 768, 1_024, 2_048].map((mib) => heapWith({ 'memory.max': String(mib * MIB) }))
    assert.deepEqual(heaps, [128, 256, 512, 768, 1_536])
  })

  it('knows cgroups of version 1', () => {
    assert.equal(heapWith({ 'memory/memory.limit_in_bytes': String(512 * MIB) }), 256)
  })

  it('leaves the heap to node where the memory has no limit, and to NODE_OPTIONS where they say', () => {
    assert.equal(heapWith({ 'memory.max': 'max' }), undefined)
    assert.equal(heapWith({ 'memory/memory.limit_in_bytes': '9223372036854771712' }), undefined)
    assert.equal(heapWith({}), undefined)
    const files = { 'memory.max': String(512 * MIB) }
    assert.equal(heapWith(files, { NODE_OPTIONS: '--max-old-space-size=300' }), undefined)
  })

  it('is a script that any shell reads', () => {
    execFileSync('sh', ['-n', START])
  })
})
