export type { PeerBook } from './hello.js'
export { SalvageAnswers } from './salvage-answers.js'
export { SalvagePeer } from './salvage-peer.js'
export { type PeerHandlers, PeerTransport, type TransportOptions } from './transport.js'
