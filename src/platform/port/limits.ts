/** What a port costs at most. Each client has a part of it, so that one can not use up what all of them need. */
export interface PortLimits {
  readonly connectionsMax: number
  /** From one address of the network. */
  readonly connectionsPerAddressMax: number
  /** Open at a time. */
  readonly callsMax: number
  readonly callsPerConnectionMax: number
  /** Messages of which a part has come, and replies that have not been taken. */
  readonly bufferedBytesMax: number
  readonly bufferedBytesPerConnectionMax: number
  /** Of the call at this path. */
  readonly messageBytesMax: (path: string) => { readonly first: number; readonly later: number }
  /** From a connection to the first whole message on it. */
  readonly silentMsMax: number
  /** From the end of its last call to the next. */
  readonly idleMsMax: number
  /** From the first byte of a message to its last, and from a call to its request. */
  readonly messageMsMax: number
  /** Replies wait, and none is taken. */
  readonly untakenMsMax: number
}

/** Bytes of the headers of a call; 8 KiB is gRPC's own limit. */
export const METADATA_BYTES_MAX = 8 * 1024
/** What a piece of a message costs beside its bytes, near enough: they may come one by one. */
export const PIECE_BYTES = 128
/** Less than this may wait for as long as it likes. */
export const UNTAKEN_BYTES_FREE = 64 * 1024

/** As `status` shows it. */
export interface PortFigures {
  readonly connections: number
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  readonly calls: number
  readonly callsMax: number
  readonly callsPerConnectionMax: number
  readonly bufferedBytes: number
  readonly bufferedBytesMax: number
  readonly bufferedBytesPerConnectionMax: number
  /** Since the start: connections that were not let in, and those that were closed for what they did or left undone. */
  readonly connectionsRefused: number
  readonly connectionsClosed: number
  readonly callsRefused: number
}
