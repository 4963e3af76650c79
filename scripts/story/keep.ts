import type { LocalCluster } from '../cluster/local-cluster.js'
import type { NodeProcess } from '../cluster/node-process.js'
import { CLI } from './lockkeeper.js'
import { print, style } from './stage.js'

/** What to do with a cluster that is left running. All of it can be copied as it stands. */
export function showWhatToTry(leader: NodeProcess, { addresses, directory }: LocalCluster): void {
  print(`
${style('bold', 'The cluster stays up until you press Ctrl-C here')}

Copy from this into another terminal, in this directory. First:

export LOCKKEEPER_ADDRESSES=${addresses}

Who leads, who holds what, and a command that runs under a lock:

${CLI} status
${CLI} lock payout -- sleep 30 &
${CLI} locks

Kill the leader, node ${leader.id}, look again, and start it once more (Ctrl-C ends it there):

kill -9 ${leader.pid}
${CLI} serve --config ${directory}/node-${leader.id}.yaml --node ${leader.id}

The client in ten lines:

node --input-type=module <<'END'
import { connect } from 'lockkeeper'
const keeper = await connect(process.env.LOCKKEEPER_ADDRESSES, { label: 'the first try' })
const lock = await keeper.lock('orders/42', { waitMs: 5_000 })
console.log(\`\${lock.name} is mine; token \${lock.token} goes along with every write\`)
lock.signal.addEventListener('abort', () => console.log('lost: stop what you are doing'))
await new Promise((resolve) => setTimeout(resolve, 10_000))
console.log('before a write that matters:', lock.state)
console.log('and given back:', await lock.release())
await keeper.close()
END
`)
}
