export interface Address {
  readonly host: string
  readonly port: number
}

const HOST_AND_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})$/

/** 'host:port' or '[::1]:port', port from 1 to 65535; undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, host, digits] = HOST_AND_PORT.exec(text) ?? []
  const port = Number(digits)
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/** Whether it means "every interface of this machine": good to listen on, but nobody can connect to it from elsewhere. */
export function isWildcard({ host }: Address): boolean {
  return host === '0.0.0.0' || host === '[::]'
}
