import type { Import, Source } from './source.js'

/** A file, or a folder with a slash at its end. */
type Place = string

export interface Station {
  readonly place: Place
  /** What it may import of ours beside its own files. */
  readonly mayImport: readonly Place[]
  /** As `mayImport`, but types only. */
  readonly mayImportTypes?: readonly Place[]
}

const RAFT_DOOR = 'raft/index.ts'
const PORTS = 'src/replica/ports.ts'

/** Who may import whom: the river, from its sources down. A file belongs to the first station that it lies in. */
export const STATIONS: readonly Station[] = [
  { place: 'raft/', mayImport: [] },
  { place: 'src/machine/', mayImport: [] },
  { place: 'src/platform/', mayImport: [] },
  { place: 'src/protocol/', mayImport: [] },
  {
    place: 'src/replica/',
    mayImport: [RAFT_DOOR, 'src/machine/', 'src/platform/fair-queue.ts', 'src/platform/work-queue.ts'],
  },
  { place: 'src/leveldb/', mayImport: [] },
  { place: 'src/log-store/', mayImport: [RAFT_DOOR, PORTS, 'src/leveldb/', 'src/platform/member-id.ts'] },
  { place: 'src/record-store/', mayImport: [RAFT_DOOR, PORTS, 'src/leveldb/'] },
  {
    place: 'src/node-disk/',
    mayImport: [RAFT_DOOR, PORTS, 'src/leveldb/', 'src/log-store/', 'src/record-store/'],
  },
  {
    place: 'src/backup/',
    mayImport: [
      'src/machine/',
      'src/platform/',
      PORTS,
      'src/replica/record-codec.ts',
      'src/record-store/',
      'src/node-disk/',
    ],
  },
  {
    place: 'src/verification/',
    mayImport: [RAFT_DOOR, 'src/machine/', 'src/replica/', 'src/leveldb/', 'src/node-disk/'],
  },
  { place: 'src/transport/', mayImport: [RAFT_DOOR, PORTS, 'src/platform/'] },
  {
    place: 'src/proposals/',
    mayImport: [RAFT_DOOR, 'src/replica/', 'src/platform/work-queue.ts', 'src/platform/fair-queue.ts'],
    mayImportTypes: ['src/machine/language/command.ts', 'src/machine/machine.ts'],
  },
  {
    place: 'src/membership/',
    mayImport: [RAFT_DOOR, 'src/machine/', 'src/platform/'],
    mayImportTypes: ['src/proposals/', 'src/replica/replica.ts', PORTS, 'src/transport/'],
  },
  {
    place: 'src/reserves/',
    mayImport: [RAFT_DOOR, 'src/machine/roster/feature-level.ts'],
    mayImportTypes: ['src/replica/replica.ts', PORTS],
  },
  {
    place: 'src/attachments/',
    mayImport: ['src/machine/language/limits.ts'],
    mayImportTypes: ['src/machine/language/command.ts', 'src/machine/changes.ts'],
  },
  {
    place: 'src/api/',
    mayImport: ['src/machine/', 'src/protocol/', 'src/platform/', 'src/backup/', 'src/membership/'],
    mayImportTypes: ['src/proposals/', 'src/reserves/', 'src/attachments/', 'src/replica/replica.ts', PORTS],
  },
  { place: 'src/client/', mayImport: ['src/protocol/'] },
  {
    place: 'src/main.ts',
    mayImport: [
      RAFT_DOOR,
      'src/machine/',
      'src/platform/',
      'src/replica/',
      'src/node-disk/',
      'src/transport/',
      'src/proposals/',
      'src/membership/',
      'src/reserves/',
      'src/attachments/',
      'src/api/',
    ],
  },
  {
    place: 'src/salvage/',
    mayImport: [RAFT_DOOR, PORTS, 'src/log-store/', 'src/node-disk/', 'src/transport/', 'src/platform/'],
  },
  {
    place: 'src/repair/',
    mayImport: [
      PORTS,
      'src/client/',
      'src/membership/fencing.ts',
      'src/node-disk/',
      'src/salvage/',
      'src/platform/',
    ],
  },
  {
    place: 'src/cli/',
    mayImport: [
      'src/client/',
      'src/repair/',
      'src/platform/',
      'src/backup/',
      'src/verification/',
      'src/main.ts',
    ],
  },
  { place: 'examples/', mayImport: [] },
  { place: 'scripts/', mayImport: [RAFT_DOOR, 'src/'] },
  { place: 'test/raft/', mayImport: ['raft/'] },
  { place: 'test/', mayImport: [RAFT_DOOR, 'src/', 'scripts/'] },
]

/** Stations that may import something of a station below them: so there are no rings of stations, not even of types. */
export function upstreamStations(stations: readonly Station[]): string[] {
  return stations.flatMap(({ place, mayImport, mayImportTypes = [] }, k) => {
    const above = stations.slice(0, k)
    return [...mayImport, ...mayImportTypes]
      .filter((allowed) => allowed !== 'src/' && !above.some((station) => allowed.startsWith(station.place)))
      .map(
        (allowed) => `${place} stands above ${allowed} and may not import it; put what both need above both`,
      )
  })
}

/** Imports that the river does not allow. */
export function forbiddenImports(sources: readonly Source[]): string[] {
  return sources.flatMap(({ path, imports }) => {
    const station = stationOf(path)
    if (station === undefined)
      return [`${path} lies in no station; move it, or name its folder in layering.ts`]
    return imports
      .filter((it) => it.isOurs && !isAllowed(station, it))
      .map(({ target }) => `${path} imports ${target}; ${station.place} may import ${allowedTo(station)}`)
  })
}

function stationOf(path: string): Station | undefined {
  return STATIONS.find(({ place }) => liesIn(place, path))
}

function isAllowed({ place, mayImport, mayImportTypes = [] }: Station, { target, isType }: Import): boolean {
  const places = isType ? [place, ...mayImport, ...mayImportTypes] : [place, ...mayImport]
  return places.some((allowed) => liesIn(allowed, target))
}

function allowedTo({ mayImport, mayImportTypes = [] }: Station): string {
  const types = mayImportTypes.map((place) => `types of ${place}`)
  return [...mayImport, ...types].join(', ') || 'nothing of ours'
}

function liesIn(place: Place, path: string): boolean {
  return place.endsWith('/') ? path.startsWith(place) : path === place
}

/** Rings of files that import each other at run time: what is there would depend on who is loaded first. */
export function importCycles(sources: readonly Source[]): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      const ring = [...trail.slice(start), path].join(' → ')
      cycles.push(`${ring}; move what both need into a file of its own`)
    }
    if (done.has(path)) return
    done.add(path)
    for (const { target, isType } of byPath.get(path)?.imports ?? [])
      if (!isType) visit(target, [...trail, path])
  }
  for (const { path } of sources) visit(path, [])
  return cycles
}

/** Imports of files that are not there, and files that nobody imports and nothing starts. */
export function strayFiles(sources: readonly Source[], isEntry: (path: string) => boolean): string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]))
  const reached = new Set<string>()
  const missing: string[] = []
  const reach = (path: string, from: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    const source = byPath.get(path)
    if (source === undefined) missing.push(`${from} imports ${path}, which is not there; correct the path`)
    for (const { target, isOurs } of source?.imports ?? []) if (isOurs) reach(target, path)
    for (const target of source?.starts ?? []) reach(target, path)
  }
  for (const { path } of sources) if (isEntry(path)) reach(path, path)
  const dead = [...byPath.keys()].filter((path) => !reached.has(path))
  return [
    ...missing,
    ...dead.map((path) => `${path} is used by nobody; delete it, or start it from a script`),
  ]
}
