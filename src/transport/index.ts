export type { Loss, PeerBook } from './hello.js'
export { type PeerHandlers, PeerTransport, type TransportOptions } from './transport.js'
