import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { z } from 'zod'
import { ConfigError, type Problem } from './config-error.js'
import { clusterSchema, type Member, type Storage, sizeProblem, type Timing } from './config-schema.js'
import { keyText, type LocatedYaml, parseYaml } from './located-yaml.js'

export { ConfigError } from './config-error.js'
export { DEFAULT_STORAGE, DEFAULT_TIMING, type Member, type Storage, type Timing } from './config-schema.js'

/** A cluster file, checked. cluster-configs/three.yaml explains every key. */
export interface ClusterConfig {
  /** Where it was read, for messages. */
  readonly file: string
  readonly cluster: { readonly id: string }
  readonly nodes: readonly Member[]
  readonly timing: Timing
  readonly storage: Storage
  /** Its node is to be taken in by a cluster that runs: it waits until it is told who the members are. */
  readonly joins: boolean
  /** Why no cluster should be founded by it. A node that joins, or has been there, need not know how many they are. */
  readonly unfounded: Problem | undefined
}

/** What one node needs to start. */
export interface NodeConfig {
  readonly id: number
  readonly clusterId: string
  /** host:port where clients reach this node. */
  readonly client: string
  /** host:port where the other nodes reach it. */
  readonly peer: string
  /** Absolute path of its data directory. */
  readonly data: string
  /** Those of the file, this node among them: the voters of a new cluster. */
  readonly nodes: readonly Member[]
  /** As in `ClusterConfig`. Only the first start counts. */
  readonly joins: boolean
  readonly timing: Timing
  readonly storage: Storage
}

/**
 * Reads and checks a cluster file. Throws a `ConfigError` with one line for each thing that is wrong: file and line,
 * key, what is the matter, what to do.
 */
export function loadClusterConfig(file: string, joins = false): ClusterConfig {
  const yaml = parseYaml(file, readText(file))
  const checked = clusterSchema.safeParse(yaml.value)
  if (checked.success) {
    const text = sizeProblem(checked.data.nodes.length)
    const unfounded = text === undefined ? undefined : { line: yaml.lineOf(['nodes']), key: 'nodes', text }
    return { file, joins, unfounded, ...checked.data }
  }
  const problems = checked.error.issues.flatMap((issue) => problemsOf(issue, yaml))
  throw new ConfigError(file, problems)
}

/** This node's part of the file; a relative `data` is taken from the current directory. Throws a `ConfigError`. */
export function nodeConfig(config: ClusterConfig, id: number): NodeConfig {
  const { file, cluster, nodes, joins, timing, storage, unfounded } = config
  const own = nodes.find((node) => node.id === id)
  const founds = !joins && (own === undefined || isEmpty(own.data))
  if (founds && unfounded !== undefined) throw new ConfigError(file, [unfounded])
  if (own !== undefined)
    return { ...own, data: resolve(own.data), clusterId: cluster.id, nodes, joins, timing, storage }
  const ids = nodes.map((node) => node.id).join(', ')
  const text = `has no node ${id}, only ${ids}; pass one of these as --node, or add the node to the file of every node`
  throw new ConfigError(file, [{ line: undefined, key: 'nodes', text }])
}

/** Or is not there. */
function isEmpty(directory: string): boolean {
  try {
    return readdirSync(directory).length === 0
  } catch {
    return true
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const text = `can't be read (${reason}); check the path and its permissions, or start from cluster-configs/three.yaml`
    throw new ConfigError(file, [{ line: undefined, key: '', text }])
  }
}

function problemsOf(issue: z.core.$ZodIssue, yaml: LocatedYaml): Problem[] {
  const paths =
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path]
  return paths.map((path) => ({ line: yaml.lineOf(path), key: keyText(path), text: issue.message }))
}
