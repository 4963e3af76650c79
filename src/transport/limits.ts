/** What a peer may cost us, in bytes and milliseconds. */

/** A frame that has grown to this takes no further item. One item always fits. */
export const FRAME_BYTES = 1024 * 1024
/** Waiting for one peer, the frame under way included. Beyond, items are dropped: Raft sends again. */
export const BUFFER_BYTES_MAX = 16 * 1024 * 1024
/** What fits into the buffer fits into a frame; the rest is for the frame's own few bytes. */
export const FRAME_BYTES_MAX = BUFFER_BYTES_MAX + 1024
/** Those of `FRAME_BYTES` have the most when their items are small: some 100,000. A false frame of this many costs 12 ms. */
export const FRAME_VALUES_MAX = 128 * 1024
/** The voters, in the configuration, in an entry, in an append, in a frame. */
export const FRAME_DEPTH_MAX = 5
export const HELLO_BYTES_MAX = 1024

/** A peer that does not take one frame in this time is cut off. */
export const DRAIN_MS = 5_000
/** From dialling to the welcome. */
export const DIAL_MS = 2_000
/** From accepting a stream to its hello. */
export const HELLO_MS = 5_000

/** Of a node that only answers questions of salvage. */
export const SALVAGE_CONNECTIONS_MAX = 64
/** A peer has one stream on a connection, and one of salvage at most. */
export const CALLS_PER_CONNECTION_MAX = 4
export const CALLS_MAX = 1_024
/** Parts of frames, of all peers and of one. */
export const PARTS_BYTES_MAX = 8 * FRAME_BYTES_MAX
/** From a connection to the first frame. Meanwhile its place is given to a new connection if there is no other: peers say hello at once. */
export const SILENT_MS = 5_000
/** From the first byte of a frame to its last. */
export const FRAME_MS = 10_000
/** Answers of salvage wait for a peer, and none is taken. */
export const UNTAKEN_MS = 30_000

/** Until a peer has answered a question of salvage, from its disk. */
export const ANSWER_MS = 10_000
/** From one such question to the next: an open checkpoint keeps LevelDB from clearing away what was replaced since. */
export const QUESTION_MS = 60_000

/** Who is no member any more is still reached for so long: to hear that it is none. */
export const FAREWELL_MS = 1_000
/** Peers whose hello is kept in mind. */
export const GUESTS_MAX = 64

export const BACKOFF_FIRST_MS = 50
export const BACKOFF_MAX_MS = 1_000
