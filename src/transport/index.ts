export { ListenError } from './listener.js'
export { createTransport, type TransportOptions } from './transport.js'
