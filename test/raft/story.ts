import type { Configuration, Entry, Input, Message, NodeId, Output, Status } from '../../raft/index.js'
import { Cluster, type InFlight, SMALL } from './cluster.js'

/**
 * Performs the commands of a scenario script and tells what happened. No luck: election timeouts are 10, 12, 14, 16
 * and 18 ticks for the nodes 1 to 5, heartbeats come every 2 ticks, and messages arrive in the order they were sent.
 */
export class Story {
  #cluster = new Cluster([], fixedRandom)
  readonly #known = new Map<NodeId, Status>()
  readonly #stalled = new Set<NodeId>()
  readonly #cut = new Set<string>()
  #told: string[] = []

  perform(command: string): string[] {
    this.#told = []
    const [verb = '', ...words] = command.split(/\s+/)
    const action = this.#actions[verb]
    if (action === undefined) throw new Error(`no such command: ${command}`)
    action(words)
    return this.#told
  }

  readonly #actions: Readonly<Record<string, (words: string[]) => void>> = {
    nodes: (ids) => this.#found(ids, SMALL),
    /** Up, with nothing on disk, and waiting to be told; a first cluster is `nodes` before the word `and`. */
    nodes_and_joiners: (ids) => this.#found(ids, SMALL, ids.slice(0, ids.indexOf('and'))),
    /** As `nodes`, but an append carries one entry. */
    nodes_with_narrow_appends: (ids) => this.#found(ids, { ...SMALL, appendBytesMax: 1 }),
    elect: ([id]) => {
      for (let tick = 0; tick < 10; tick++) {
        this.#step(Number(id), { kind: 'tick' })
        this.#deliverAll(() => true, false)
      }
    },
    pass: ([ticks]) => {
      for (let tick = 0; tick < Number(ticks); tick++) {
        for (const { id } of this.#cluster.running) this.#step(id, { kind: 'tick' })
        this.#deliverAll(() => true, false)
      }
    },
    tick: ([ids, count]) => {
      for (let tick = 0; tick < Number(count ?? 1); tick++) {
        for (const id of idsOf(ids)) this.#step(id, { kind: 'tick' })
      }
    },
    propose: ([id, ...payloads]) => this.#step(Number(id), ...payloads.map(proposal)),
    read: ([id, read]) => this.#step(Number(id), { kind: 'read', id: Number(read) }),
    disconnect: ([id, peer]) => this.#step(Number(id), { kind: 'disconnected', peer: Number(peer) }),
    deliver: (links) => this.#deliverAll((message) => links.includes(linkOf(message)), true),
    /** Delivers one message on each of these links, in turn. */
    next: (links) => {
      for (const link of links) this.#deliverNext((message) => linkOf(message) === link, true)
    },
    run: () => this.#deliverAll(() => true, true),
    settle: () => this.#deliverAll(() => true, false),
    drop: (links) => this.#keep((message) => links.length > 0 && !links.includes(linkOf(message))),
    duplicate: () => {
      this.#cluster.network = this.#cluster.network.flatMap((message) => [message, message])
    },
    reverse: () => {
      this.#cluster.network.reverse()
    },
    isolate: ([id]) => {
      for (const peer of this.#cluster.ids) if (peer !== Number(id)) this.#cutBetween(Number(id), peer)
    },
    cut: ([a, b]) => this.#cutBetween(Number(a), Number(b)),
    heal: () => this.#cut.clear(),
    stall: ([id]) => {
      this.#stalled.add(Number(id))
    },
    unstall: ([id]) => {
      this.#stalled.delete(Number(id))
      this.#write(Number(id))
    },
    /** New voters, and learners if any. */
    members: ([id, voters, learners]) => {
      const target = { voters: idsOf(voters), learners: learners === undefined ? [] : idsOf(learners) }
      this.#step(Number(id), { kind: 'reconfigure', target, payload: new TextEncoder().encode('who') })
    },
    transfer: ([id, to]) => this.#step(Number(id), { kind: 'transfer', to: Number(to) }),
    /** All that is applied goes into a checkpoint, and out of the log. */
    compact: ([id]) => {
      this.#cluster.checkpoint(Number(id))
      this.#cluster.compact(Number(id), this.#cluster.member(Number(id)).committed.length)
    },
    snapshots_arrive: () => this.#endSnapshots(true),
    snapshots_get_lost: () => this.#endSnapshots(false),
    crash: ([id]) => this.#cluster.crash(Number(id)),
    start: ([id]) => {
      this.#cluster.start(Number(id))
      this.#known.set(Number(id), this.#cluster.member(Number(id)).node!.status())
    },
    logs: () => this.#logs(),
  }

  #found(words: readonly string[], settings: typeof SMALL, voters = words): void {
    const ids = words.filter((word) => word !== 'and').map(Number)
    this.#cluster = new Cluster(ids, fixedRandom, settings, voters.map(Number))
    for (const id of this.#cluster.ids) this.#known.set(id, this.#cluster.member(id).node!.status())
  }

  #step(id: NodeId, ...inputs: Input[]): void {
    this.#tell(this.#cluster.step(id, inputs))
    this.#write(id)
  }

  #write(id: NodeId): void {
    const member = this.#cluster.member(id)
    while (!this.#stalled.has(id) && member.pending.length > 0) {
      const { id: write } = member.pending[0]!
      member.disk.perform(member.pending.shift()!)
      this.#tell(this.#cluster.step(id, [{ kind: 'written', write }]))
    }
  }

  /** Delivers what is chosen, and what comes of it, until nothing chosen is left. */
  #deliverAll(chosen: (message: InFlight) => boolean, aloud: boolean): void {
    while (this.#deliverNext(chosen, aloud)) {}
  }

  #deliverNext(chosen: (message: InFlight) => boolean, aloud: boolean): boolean {
    const place = this.#cluster.network.findIndex(chosen)
    if (place < 0) return false
    const [message] = this.#cluster.network.splice(place, 1)
    this.#deliver(message!, aloud)
    return true
  }

  #deliver(message: InFlight, aloud: boolean): void {
    const lost = this.#cut.has(linkOf(message)) || this.#cluster.member(message.to).node === undefined
    if (aloud) this.#told.push(`  ${linkOf(message)} ${show(message.message)}${lost ? ' (lost)' : ''}`)
    if (!lost) this.#step(message.to, { kind: 'message', from: message.from, message: message.message })
  }

  #endSnapshots(arrive: boolean): void {
    for (const snapshot of this.#cluster.snapshots.splice(0)) {
      const { from, to, checkpoint } = snapshot
      if (arrive && this.#cluster.install(snapshot)) {
        this.#told.push(`${to} is restored up to ${checkpoint.start.index}`)
        this.#told.push(...changes(this.#known.get(to), this.#cluster.member(to).node!.status()))
        this.#known.set(to, this.#cluster.member(to).node!.status())
      }
      this.#step(from, { kind: 'snapshot_ended', peer: to })
    }
  }

  #keep(kept: (message: InFlight) => boolean): void {
    for (const message of this.#cluster.network) {
      if (!kept(message)) this.#told.push(`  ${linkOf(message)} ${show(message.message)} (lost)`)
    }
    this.#cluster.network = this.#cluster.network.filter(kept)
  }

  #cutBetween(a: NodeId, b: NodeId): void {
    this.#cut.add(`${a}>${b}`).add(`${b}>${a}`)
  }

  #tell({ status, committed, reads, write, snapshots }: Output): void {
    const { id, serving } = status
    const before = this.#known.get(id)
    this.#known.set(id, status)
    this.#told.push(...changes(before, status))
    if (write?.truncateFrom !== undefined)
      this.#told.push(`${id} truncates its log from ${write.truncateFrom}`)
    if (committed.length > 0) this.#told.push(`${id} commits ${committed.map(showEntry).join(' ')}`)
    if (serving && !before?.serving) this.#told.push(`${id} serves`)
    for (const to of snapshots) this.#told.push(`${id} has forgotten what ${to} needs: a snapshot`)
    for (const read of reads) this.#told.push(`${id} read ${read.id}: ${read.index ?? 'refused'}`)
  }

  #logs(): void {
    for (const { id, node } of this.#cluster.running) {
      const view = node!.view()
      const { start, lastIndex, commitIndex, entryAt } = view
      const held = Array.from({ length: lastIndex - start.index }, (_, i) => entryAt(start.index + i + 1)!)
      const words = [`${id}:`, ...held.map(showEntry), `| committed ${commitIndex}`]
      if (start.index > 0) words.splice(1, 0, `(${start.index}/${start.term})`)
      this.#told.push(words.join(' '))
    }
  }
}

function fixedRandom(id: NodeId): () => number {
  return () => (id - 1) / 5
}

function idsOf(words = ''): NodeId[] {
  return words.split(',').map(Number)
}

function linkOf({ from, to }: InFlight): string {
  return `${from}>${to}`
}

function proposal(payload: string): Input {
  return { kind: 'propose', payload: new TextEncoder().encode(payload) }
}

/** What a node has become since. */
function changes(before: Status | undefined, status: Status): string[] {
  const { id, role, term, leader, config } = status
  const told: string[] = []
  if (before?.role !== role || before.term !== term || before.leader !== leader) {
    told.push(
      `${id} is ${role} in term ${term}${role === 'follower' ? `, leader ${leader || 'unknown'}` : ''}`,
    )
  }
  if (before !== undefined && showMembers(before.config) !== showMembers(config))
    told.push(`${id} knows members ${showMembers(config)}`)
  return told
}

/** `index/term:payload`; a no-op has none; members in brackets if it changes them. */
function showEntry({ index, term, payload, config }: Entry): string {
  const text = payload.length > 0 ? `:${new TextDecoder().decode(payload)}` : ''
  return `${index}/${term}${text}${config === undefined ? '' : showMembers(config)}`
}

/** `[new voters + learners]`, and while joint `[new voters + learners, as well as old voters]`. */
function showMembers({ voters, outgoing, learners }: Configuration): string {
  const listeners = learners.length > 0 ? ` + ${learners.join(' ')}` : ''
  return `[${voters.join(' ')}${listeners}${outgoing.length > 0 ? `, as well as ${outgoing.join(' ')}` : ''}]`
}

function show(message: Message): string {
  const { term } = message
  switch (message.kind) {
    case 'vote':
      return `${message.pre ? 'pre-vote' : 'vote'} t${term} last ${message.lastIndex}/${message.lastTerm}${message.transfer ? ', asked to' : ''}`
    case 'vote_result':
      return `${message.pre ? 'pre-vote' : 'vote'} t${term} ${message.granted ? 'granted' : 'refused'}`
    case 'append': {
      const entries = message.entries.map((entry) => ` ${showEntry(entry)}`).join('')
      const { prevIndex, prevTerm, commit, round } = message
      return `append t${term} after ${prevIndex}/${prevTerm}${entries} commit ${commit} round ${round}`
    }
    case 'append_result': {
      const { index, hintIndex, hintTerm, round } = message
      const verdict = message.accepted
        ? `accepted ${index}`
        : `refused ${index}, perhaps ${hintIndex}/${hintTerm}`
      return `append t${term} ${verdict} round ${round}`
    }
    case 'commit':
      return `commit t${term} ${message.commit}`
    case 'read':
      return `read t${term}`
    case 'read_result':
      return `read t${term}: ${message.index || 'refused'}`
    case 'timeout_now':
      return `time out now t${term}`
  }
}
