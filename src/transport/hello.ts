import type { LogIndex, NodeId } from '../../raft/index.js'
import { parseAddress } from '../platform/address.js'
import { numberOf } from '../platform/member-id.js'
import type { Loss } from '../replica/ports.js'
import { pack, unpack } from './fields.js'
import { FrameError } from './frame-error.js'
import { HELLO_BYTES_MAX } from './limits.js'

/** Raised when a frame can no longer be understood by the version before. */
const PROTOCOL_VERSION = 1

/** The first frame of a stream. */
export interface Hello {
  readonly version: number
  readonly clusterId: string
  readonly from: NodeId
  readonly to: NodeId
  /** 'host:port' where the sender is reached, for a node that has yet to learn it; '' if it does not say. */
  readonly address: string
  /** How new the members are that the sender knows: see `PeerBook`. */
  readonly configIndex: LogIndex
  /** The highest feature level that the sender's version knows. */
  readonly level: number
  /** Which disk the sender is on; 0 if its version does not say. */
  readonly disk: number
  /** Where the sender's log ends; undefined if its version does not say. */
  readonly lastIndex: LogIndex | undefined
  /** That of the cluster, as the sender's machine has it; 0 if it has yet to hear of one, or its version does not say. */
  readonly incarnation: number
}

export function encodeHello(hello: Omit<Hello, 'version'> & { readonly lastIndex: LogIndex }): Buffer {
  const { clusterId, from, to, address, configIndex, level, disk, lastIndex, incarnation } = hello
  const who = [PROTOCOL_VERSION, clusterId, from, to, address]
  return pack([...who, configIndex, level, disk, lastIndex, incarnation])
}

/** The one frame of the answer: from now on items are read. */
export function encodeWelcome(): Buffer {
  return pack([PROTOCOL_VERSION])
}

/** Throws a `FrameError`. Later versions may say more in their hello: what they are is for `refusal` to judge. */
export function decodeHello(frame: Uint8Array): Hello {
  if (frame.length > HELLO_BYTES_MAX) throw new FrameError(`a hello of ${frame.length} bytes`)
  const fields = unpack(frame)
  const who = {
    version: fields.number(),
    clusterId: fields.text(),
    from: fields.number(),
    to: fields.number(),
  }
  const address = fields.done ? '' : fields.text()
  if (address !== '' && parseAddress(address) === undefined)
    throw new FrameError('the address is no host:port')
  const optional = (): number | undefined => (fields.done ? undefined : fields.number())
  const [configIndex = 0, level = 0, disk = 0, lastIndex] = [optional(), optional(), optional(), optional()]
  return { ...who, address, configIndex, level, disk, lastIndex, incarnation: optional() ?? 0 }
}

/** The members of the cluster, as one node knows them. */
export interface PeerBook {
  /** 'host:port' of each member, '' if it is not known. */
  readonly addresses: ReadonlyMap<NodeId, string>
  /** Where in the log they were named: the greater is the newer. */
  readonly configIndex: LogIndex
  /** It follows a leader, or is one: nobody else need tell it who the members are. */
  readonly isLed: boolean
  /** As of now: which disk each of them is on, as far as the log has it. */
  readonly disks: Pick<ReadonlyMap<NodeId, number>, 'get'>
  /** As of now: up to which entry each of them has told to have on disk what is committed. */
  readonly kept: ReadonlyMap<NodeId, LogIndex>
  /** The feature level of the cluster. */
  readonly level: number
  /** Its incarnation; 0 if it is not known yet. */
  readonly incarnation: number
}

export interface Receiver {
  readonly clusterId: string
  readonly self: NodeId
  readonly book: PeerBook
}

export interface Refusal {
  /** And what to do about it. */
  readonly reason: string
  /** The sender is known in this cluster, and not as what it is: it must not go on as this member. */
  readonly loss: Loss | undefined
}

/**
 * Why the sender of this hello is a stranger; undefined if it is a peer. It need not be a member as far as this node knows:
 * this node may be joining, or may have been away while the members changed. But who has a leader hears of new members from
 * that; a log that others lead must not be mixed with ours, though they call their cluster the same. Nor must one of another
 * incarnation, whose terms and indexes say nothing of ours; what such a node knows of disks is not believed either.
 */
export function refusal(hello: Hello, { clusterId, self, book }: Receiver): Refusal | undefined {
  const foreign = foreignness(hello, clusterId, self)
  if (foreign !== undefined) return refused(foreign)
  if (numberOf(hello.to) !== numberOf(self))
    return refused(`you look for node ${hello.to} and this is node ${self}: check the peer addresses`)
  if (hello.from === self)
    return refused(`this is node ${self}, and so are you: give each node an id of its own`)
  const { addresses, configIndex, isLed, level, incarnation } = book
  const isOfAnother = hello.incarnation !== 0 && incarnation !== 0 && hello.incarnation !== incarnation
  if (isOfAnother) {
    return refused(
      `node ${hello.from} is of another incarnation of cluster '${clusterId}' (${hello.incarnation}) than node ${self} (${incarnation}): one of the two was founded or restored again without the other. Keep what holds the state that you need; a node of the other joins this cluster with an empty data directory`,
    )
  }
  // Before anything that its disk may have told the sender, or not: an empty one knows only what its file says.
  // The oldest versions do not say on which disk they are; those are turned away for that below.
  const isSaid = hello.disk !== 0 || hello.level >= book.level
  if (isSaid && isAnother(hello, book)) {
    const reason = `node ${hello.from} was here before, on another disk: what it promised is lost, and it is not the member it was`
    return { reason, loss: 'disk' }
  }
  if (hello.to !== self)
    return refused(
      `you look for member ${hello.to}, and that node is member ${self} now: its leader will say so`,
    )
  if (hello.level < level) {
    return refused(
      `the cluster is on feature level ${level}, and the version of node ${hello.from} knows level ${hello.level}: upgrade it`,
    )
  }
  if (addresses.has(hello.from) || !addresses.has(self)) return undefined
  if (!isLed && hello.configIndex > configIndex) return undefined
  return refused(
    `node ${hello.from} is no member as far as node ${self} knows: stop it if it was removed; if it is new, start it with --join and add it ("lockkeeper members add"); else use the same list of nodes everywhere`,
  )
}

/**
 * Why the sender of this hello, which has just come, is no peer any more though it is a member: it told to have more on disk
 * (fault 26). An earlier copy has been put back; or it was emptied, which this node can't tell if it does not know on which disk the
 * sender was. The sender's own log may name its disk in both cases, and proves nothing then. Whatever a node
 * tells is on its disk before any later hello; an older hello that comes late is one that its sender has given up.
 */
export function rollback({ from, disk, lastIndex }: Hello, { disks, kept }: PeerBook): Refusal | undefined {
  const told = kept.get(from) ?? 0
  if (lastIndex === undefined || lastIndex >= told) return undefined
  const reason = `node ${from} had entry ${told} on disk, and comes back with a log that ends with entry ${lastIndex}: its disk is an earlier copy, or empty; what it promised since is lost, and it is not the member it was`
  const known = disks.get(from)
  return { reason, loss: known !== undefined && known !== disk ? 'disk' : 'end_of_log' }
}

/**
 * Why the sender of this hello may not have what this node could read on its disk; undefined if it may. Neither of the two need
 * know who are members: nodes are called by their numbers, in whatever life.
 */
export function salvageRefusal(hello: Hello, clusterId: string, self: NodeId): Refusal | undefined {
  const foreign = foreignness(hello, clusterId, self)
  if (foreign !== undefined) return refused(foreign)
  const [number, to, from] = [numberOf(self), numberOf(hello.to), numberOf(hello.from)]
  if (to !== number)
    return refused(`you look for node ${to} and this is node ${number}: check the peer addresses`)
  if (from === number)
    return refused(`this is node ${number}, and so are you: give each node an id of its own`)
  return undefined
}

function foreignness(hello: Hello, clusterId: string, self: NodeId): string | undefined {
  if (hello.version !== PROTOCOL_VERSION)
    return `you speak peer protocol ${hello.version} and node ${self} speaks ${PROTOCOL_VERSION}: run versions that are compatible`
  if (hello.clusterId !== clusterId)
    return `you are of cluster '${hello.clusterId}' and node ${self} is of cluster '${clusterId}': check clusterId and peer addresses`
  return undefined
}

function refused(reason: string): Refusal {
  return { reason, loss: undefined }
}

/**
 * The sender is known, and not on this disk: its data directory was emptied, or is another's (fault 17). So is a node that
 * has begun another life since.
 */
function isAnother({ from, disk }: Hello, { addresses, disks }: PeerBook): boolean {
  const known = disks.get(from)
  if (known !== undefined) return known !== disk
  return [...addresses.keys()].some((id) => numberOf(id) === numberOf(from) && id > from)
}
