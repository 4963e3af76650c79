/**
 * Everything that can grow, and how far. Names end in their unit. The door checks what a request alone can
 * exceed, the machine what depends on its state; both answer `LIMIT` with the number.
 */
export const LIMITS = {
  /** Bytes of a name in UTF-8. */
  nameBytesMax: 512,
  /** Bytes of a label in UTF-8. */
  labelBytesMax: 256,
  /** Bytes of the data of a claim, or of a result, in UTF-8. */
  dataBytesMax: 16 * 1024,
  /** Characters of data of all claims and results together. */
  dataLengthMax: 64 * 1024 * 1024,
  namesPerClaimMax: 64,
  priorityMax: 255,
  /** Permits of a semaphore, and of one claim on it. */
  capacityMax: 65_536,
  permitsPerClaimMax: 1_024,
  /** Below this a session would die of an ordinary pause of its process. */
  ttlMsMin: 100,
  ttlMsMax: 24 * 60 * 60 * 1000,
  waitMsMax: 24 * 60 * 60 * 1000,
  /** How long a name rests, is suspended, or keeps a result. */
  remainMsMax: 31 * 24 * 60 * 60 * 1000,
  /** Names that rest, are suspended, or keep a result. */
  remainsMax: 1_000_000,
  /** Claims looked at in search of a deadlock, and how long a cycle may be; what is beyond is not found. */
  deadlockSearchMax: 1_000,
  deadlockDepthMax: 200,
  /** Losses by force that are kept for a session that is away. */
  lossesPerSessionMax: 64,
  /**
   * Names, of claims that leave or are granted, for which one log entry does what nobody asked for in it: as many of what falls due, of what
   * follows from that or was left by earlier ones, and of what its commands bring about. 1,000 are 3 ms of work.
   */
  workMax: 1_000,
  /** What was done about names by force, the newest. */
  interventionsMax: 256,
  /** Slots are numbered from 0. With 65,536 acquires waiting, one slot is still free to release in. */
  slotsPerSessionMax: 65_536 + 1,
  /** Held and waiting together. */
  claimsPerSessionMax: 131_072,
  /** Held and waiting together. */
  claimsPerNameMax: 131_072,
  /** Held and waiting together, of all sessions. */
  claimsMax: 2_000_000,
  sessionsMax: 1_000_000,
  /** Nodes whose addresses are known. */
  membersMax: 64,
  /** Ids of nodes are from 1. */
  nodeIdMax: 65_535,
  /** Bytes of 'host:port'. */
  addressBytesMax: 300,
  /** One request, encoded: room for the names and the label of the largest claim, and what surrounds them. */
  requestBytesMax: 64 * 1024,
  /** The commands of one log entry, encoded. */
  batchBytesMax: 1024 * 1024,
  /** One frame of the wire; carries a whole batch. */
  frameBytesMax: 4 * 1024 * 1024,
  /** Frames of one stream that have yet to be taken, and as much again of replies to be sent: beyond, nothing is read from it. */
  streamBufferBytesMax: 8 * 1024 * 1024,
  /** The same of all streams of a node; beyond, a stream that has more than the third of these is not read from. */
  nodeBufferBytesMax: 64 * 1024 * 1024,
  streamBufferBytesMin: 64 * 1024,
  /** Requests of one stream that have no answer yet. */
  requestsPerStreamMax: 262_144,
  /** Streams of one node; all calls in progress, with its streams; and those of one connection. */
  streamsMax: 16_384,
  callsMax: 32_768,
  callsPerConnectionMax: 512,
  /** One request of a unary call, encoded: more than any that makes sense, so that a refusal can say what does not. */
  unaryRequestBytesMax: 256 * 1024,
  /** Parts of messages that have come, and replies that have not been taken: of all clients, and of one connection. */
  bufferedBytesMax: 64 * 1024 * 1024,
  bufferedBytesPerConnectionMax: 16 * 1024 * 1024,
  /** Of all connections of a node, those from one address. */
  connectionsPerAddressPart: 3 / 4,
  /** From a connection to its first call; without any call; from the first byte of a message to its last; while no reply is taken. */
  silentMsMax: 20_000,
  idleMsMax: 5 * 60_000,
  messageMsMax: 20_000,
  untakenMsMax: 30_000,
  /** Backups under way of one node: each keeps what is replaced meanwhile on disk. */
  backupsMax: 4,
  /** How long a client may take over one part of a backup. */
  backupPartMsMax: 30_000,
  /** One page of a listing, encoded. */
  pageBytesMax: 512 * 1024,
  /** Names in one page of a listing. */
  pageMax: 1_000,
  /** Changes that a node remembers for those who watch. */
  changesMax: 8_192,
  /** Claims shown of one holder list or one queue; their full count is always told. */
  claimsShownMax: 100,
} as const
