import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { DEFAULT_STORAGE } from '../../src/platform/config.js'
import { LocalCluster } from '../cluster/local-cluster.js'
import type { Attack } from './attack.js'
import { ATTACKS } from './attacks.js'
import { Bystanders } from './bystanders.js'
import { NodeWatch, startWatched } from './node-watch.js'

interface Options {
  readonly dist?: string
  readonly json?: string
}

const NAMES = Object.keys(ATTACKS)
/** Bystanders are measured for this long after the attack as well, to see what it leaves behind. */
const CALM_MS = 3_000

const program = new Command('npm run attack --')
  .description(
    'Starts clusters of real processes on this machine and attacks each in one way, as a client or as a peer, while three\n' +
      'well-behaved clients take and release locks. Shows what those felt, and what it cost the nodes.',
  )
  .argument('[names...]', `which attacks; all by default: ${NAMES.join(', ')}`)
  .option('--dist <directory>', 'attack the nodes of this other build (its dist directory), to compare')
  .option('--json <file>', 'also write the figures to this file')
  .action(attackAll)

await program.parseAsync()

async function attackAll(names: readonly string[], { dist, json }: Options): Promise<void> {
  const unknown = names.find((name) => !NAMES.includes(name))
  if (unknown !== undefined) program.error(`"${unknown}" is not an attack; there are ${NAMES.join(', ')}`)
  const main = dist === undefined ? undefined : resolve(dist, 'src/cli/main.js')
  const results = []
  for (const name of names.length === 0 ? NAMES : names) {
    const attack = ATTACKS[name]!
    console.log(`${name}: ${attack.summary}`)
    const { nodes, own, ...row } = await measure(attack, main)
    console.table([row])
    console.table(nodes)
    if (Object.keys(own).length > 0) console.table([own])
    results.push({ name, ...row, nodes, own })
  }
  if (json !== undefined) await writeFile(json, `${JSON.stringify(results, undefined, 2)}\n`)
}

async function measure(attack: Attack, main: string | undefined) {
  await using cluster = await LocalCluster.create({
    nodes: attack.nodes ?? 3,
    checkpointMiB: attack.checkpointMiB ?? DEFAULT_STORAGE.checkpointMiB,
    ...(attack.descriptorsMax === undefined ? {} : { descriptorsMax: attack.descriptorsMax }),
  })
  await startWatched(cluster, attack.nodeEnv ?? {}, main)
  await cluster.leader()
  await attack.prepare?.(cluster)
  const bystanders = await Bystanders.start(cluster.clientAddresses)
  const watch = new NodeWatch(cluster)
  bystanders.beginMeasuring()
  const beganMs = performance.now()
  const own = await attack.run(cluster)
  const seconds = Math.round((performance.now() - beganMs) / 100) / 10
  await new Promise((resolve) => setTimeout(resolve, CALM_MS))
  const reports = await bystanders.reports()
  const nodes = watch.stop()
  return {
    seconds,
    bystandersP99Ms: Math.max(...reports.map(({ p99Ms }) => p99Ms)),
    bystandersMaxMs: Math.round(Math.max(...reports.map(({ maxMs }) => maxMs))),
    sessionsLost: reports.reduce((sum, { sessionsLost }) => sum + sessionsLost, 0),
    failures: reports.flatMap(({ failures }) => failures).join('; '),
    elections: watch.elections(),
    nodes,
    own,
  }
}
