export type { PeerBook } from './hello.js'
export { PeerTransport, type TransportOptions } from './transport.js'
