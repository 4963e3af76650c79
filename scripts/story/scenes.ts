import { formatDuration } from '../../src/cli/durations.js'
import type { GetStatusResponse } from '../../src/client/index.js'
import type { LocalCluster } from '../cluster/local-cluster.js'
import type { NodeProcess } from '../cluster/node-process.js'
import type { Actor } from './actor.js'
import type { Cast } from './cast.js'
import { lockkeeper, rowsOf } from './lockkeeper.js'
import { confirm, type Stage } from './stage.js'
import type { WorkerDeeds } from './worker.js'

/** Each scene tells a sentence only after it has seen what that says, and rejects with a `PlotError` if it does not. */

const LOCK = 'orders/42'
const FREE_LOCK = 'orders/43'

export interface Killed {
  readonly node: NodeProcess
  /** The last entry of the log that it had applied. */
  readonly knew: number
}

/** Ada holds the lock at its beginning, Ben at its end. Resolves with his token. */
export async function freezeHolder(stage: Stage, { cluster, ada, ben }: Cast): Promise<number> {
  stage.scene('Two workers want one lock, and the one who has it freezes')
  const adasToken = await stage.within(`Ada is granted ${LOCK}`, () => ada.ask('lock', LOCK))
  stage.tell(
    `Ada takes the lock ${LOCK}; her fencing token is ${adasToken}. Ben wants it too, and waits in line:`,
  )
  const grantToBen = ben.ask('lock', LOCK)
  stage.show('lockkeeper locks', await queueBehind('Ada', adasToken, stage, cluster.addresses))

  const seen = await stage.within('Ada reads the balance', () => ada.ask('read'))
  ada.freeze()
  const frozenAtMs = stage.elapsedMs
  const lateWrite = ada.ask('write', LOCK, seen - 10)
  stage.tell(
    `Ada reads the balance, ${seen}, and is about to withdraw 10. In that moment she is frozen (SIGSTOP), as by a long ` +
      'pause for garbage collection, or of a whole virtual machine.',
  )
  const bensToken = await stage.within(`Ben is granted ${LOCK}`, () => grantToBen)
  confirm(bensToken > adasToken, "Ben's token is greater than Ada's", { adasToken, bensToken })
  stage.tell(
    `Nobody renews her session any more. Its TTL, which counts from the last renewal, runs out: ` +
      `${since(frozenAtMs, stage)} after she froze, Ben is granted the lock, with a greater token, ${bensToken}.`,
  )
  const left = await withdraw(30, ben, bensToken, stage)

  const isEarly = await Promise.race([
    lateWrite.then(() => true),
    new Promise((resolve) => setImmediate(resolve, false)),
  ])
  confirm(!isEarly, 'Ada does nothing while she is frozen', { isEarly })
  ada.thaw()
  const verdict = await stage.within('Ada is answered', () => lateWrite)
  confirm(
    !verdict.isAccepted && verdict.greatestToken === bensToken,
    'the account refuses her write',
    verdict,
  )
  const balance = await stage.within('Ben reads the balance', () => ben.ask('read'))
  confirm(balance === left, "Ben's write stands", { balance, left })
  stage.tell(
    `Ada thaws and does what she was about to do: she writes ${seen - 10}, with token ${adasToken}. The account refuses ` +
      `it, because it has seen token ${bensToken}. The balance is still ${balance}; Ben's withdrawal is not undone.`,
  )
  const { state } = await stage.within('Ada looks at her handle', () => ada.ask('handle', LOCK))
  confirm(state === 'lost', 'her handle is lost', { state })
  stage.tell('Her handle of the lock, had she looked at it, says: lost.')
  return bensToken
}

/** Ben holds the lock at its beginning, nobody at its end. */
export async function killLeader(stage: Stage, cast: Cast, bensToken: number): Promise<Killed> {
  const { cluster, ada, ben, cleo } = cast
  stage.scene('The leader is killed')
  const grantToAda = ada.ask('lock', LOCK)
  await queueBehind('Ben', bensToken, stage, cluster.addresses)
  const leader = await stage.within('there is a leader', () => cluster.leader())
  stage.tell(`Ben holds ${LOCK} with token ${bensToken}, and this time Ada waits. Node ${leader.id} leads.`)

  const { pid } = leader
  const { term, appliedIndex: knew } = await statusOf(leader, stage, cluster)
  const killedAtMs = stage.elapsedMs
  const exit = await stage.within('the leader dies', () => leader.kill('SIGKILL'))
  confirm(exit?.signal === 'SIGKILL', 'the leader dies of SIGKILL', exit)
  const cleosToken = await stage.within(`Cleo is granted ${FREE_LOCK}`, () => cleo.ask('lock', FREE_LOCK))
  const granted = since(killedAtMs, stage)
  confirm(cleosToken > bensToken, 'her token is the greatest yet', { bensToken, cleosToken })
  stage.tell(
    `Node ${leader.id} is killed: kill -9 ${pid}. At once Cleo asks for ${FREE_LOCK}, which is free. She is granted it ` +
      `${granted} after the kill, with token ${cleosToken}.`,
  )
  const successor = await stage.within('there is another leader', () => cluster.leader())
  const { term: newTerm } = await statusOf(successor, stage, cluster)
  confirm(newTerm > term, 'it was elected after the kill', { term, newTerm })
  const handle = await stage.within('Ben looks at his handle', () => ben.ask('handle', LOCK))
  const isHeld = handle.state === 'held' && handle.token === bensToken && !handle.states.includes('lost')
  confirm(isHeld, 'Ben holds the lock as before', handle)
  await queueBehind('Ben', bensToken, stage, cluster.addresses)
  stage.tell(
    `Node ${successor.id} leads now. Nothing else has changed: Ben still holds ${LOCK} with the same handle and token ` +
      `${bensToken}, and Ada still waits behind him.`,
  )
  await withdraw(30, ben, bensToken, stage)
  const releasedAtMs = stage.elapsedMs
  const outcome = await stage.within('Ben releases the lock', () => ben.ask('release', LOCK))
  confirm(outcome === 'released', "Ben's release is confirmed", { outcome })
  const adasToken = await stage.within(`Ada is granted ${LOCK}`, () => grantToAda)
  const inTurn = since(releasedAtMs, stage)
  confirm(adasToken > cleosToken, 'her token is the greatest yet', { adasToken, cleosToken })
  stage.tell(`Ben releases it, and ${inTurn} later Ada is granted it in her turn, with token ${adasToken}.`)
  await withdraw(10, ada, adasToken, stage)
  const outcomes = await stage.within('Ada and Cleo release their locks', () =>
    Promise.all([ada.ask('release', LOCK), cleo.ask('release', FREE_LOCK)]),
  )
  confirm(
    outcomes.every((it) => it === 'released'),
    'their releases are confirmed',
    outcomes,
  )
  return { node: leader, knew }
}

/** The node that was killed returns and knows what the others know. */
export async function comeBack(
  stage: Stage,
  { cluster, account }: Cast,
  { node, knew }: Killed,
): Promise<void> {
  stage.scene('The killed node comes back')
  const leader = await stage.within('there is a leader', () => cluster.leader())
  const { commitIndex } = await statusOf(leader, stage, cluster)
  confirm(commitIndex > knew, 'the cluster went on without it', { knew, commitIndex })
  const startedAtMs = stage.elapsedMs
  await stage.within(`node ${node.id} is ready`, () => node.start())
  await stage.until(`node ${node.id} catches up`, async () => {
    const status = await cluster.status(node.id)
    return status !== undefined && status.appliedIndex >= commitIndex ? status : undefined
  })
  stage.tell(
    `Node ${node.id} is started again. ${since(startedAtMs, stage)} later it has read its log from its disk and been told ` +
      `the rest: it has applied entry ${commitIndex}, the last of the cluster when it started. Before the kill it was at ` +
      `entry ${knew}.`,
  )
  const table = await stage.until('all three nodes answer as one cluster', async (over) => {
    const table = await lockkeeper(cluster.addresses, ['status'], over)
    const members = rowsOf(table).filter(({ ROLE }) => ROLE === 'leader' || ROLE === 'follower')
    return members.length === cluster.nodes.length ? table : undefined
  })
  stage.show('lockkeeper status', table)

  const writes = await stage.within('the account tells its history', () => account.ask('history'))
  const tokens = writes.map(({ token }) => token)
  confirm(
    tokens.every((token, k) => k === 0 || token >= tokens[k - 1]!),
    'no write came too late',
    tokens,
  )
  const told = writes.slice(1).map(({ by, balance, token }) => `${balance} (${by}, token ${token})`)
  stage.tell(`The file of the account, at the end: ${writes[0]!.balance}, then ${told.join(', then ')}.`)
}

/** The table of locks, when it says that one waits for the lock that `holder` has. */
function queueBehind(holder: string, token: number, stage: Stage, addresses: string): Promise<string> {
  return stage.until(`one worker waits behind ${holder}`, async (over) => {
    const table = await lockkeeper(addresses, ['locks'], over)
    const row = rowsOf(table).find(({ NAME }) => NAME === LOCK)
    const isSo = row?.HOLDER === holder && row.TOKEN === String(token) && row.WAITING === '1'
    return isSo ? table : undefined
  })
}

/** Resolves with the new balance. */
async function withdraw(
  amount: number,
  worker: Actor<WorkerDeeds>,
  token: number,
  stage: Stage,
): Promise<number> {
  const { name } = worker
  const before = await stage.within(`${name} reads the balance`, () => worker.ask('read'))
  const after = before - amount
  const verdict = await stage.within(`${name} writes the balance`, () => worker.ask('write', LOCK, after))
  confirm(verdict.isAccepted, `the account accepts ${name}'s write`, verdict)
  stage.tell(
    `${name} reads ${before}, withdraws ${amount}, and writes ${after} with token ${token}: accepted.`,
  )
  return after
}

function statusOf({ id }: NodeProcess, stage: Stage, cluster: LocalCluster): Promise<GetStatusResponse> {
  return stage.until(`node ${id} tells its status`, () => cluster.status(id))
}

function since(startMs: number, stage: Stage): string {
  return formatDuration(stage.elapsedMs - startMs)
}
