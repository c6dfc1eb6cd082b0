import { availableParallelism, cpus, loadavg, release } from 'node:os'
import { wrkPath } from '../load/load.ts'
import { type PeerName, peers } from '../peers/peer.ts'
import { versionOf } from '../peers/programs.ts'

/** Where and with what the figures were made. */
export interface Machine {
  /** ISO 8601, the day only. */
  date: string
  node: string
  platform: string
  kernel: string
  processor: string
  cores: number
  /** Of the minute before the run. */
  load: number
  client: string
  /** Of those that are installed. */
  versions: Record<string, string>
  /** Those that are not, each with a reason. */
  missing: Record<string, string>
}

export function machine(): Machine {
  const all = Object.keys(peers) as PeerName[]
  const installed = all.filter((name) => peers[name].missing() === null)
  const absent = all.filter((name) => peers[name].missing() !== null)
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    processor: cpus()[0].model.trim(),
    cores: availableParallelism(),
    load: loadavg()[0],
    client: wrkPath() === undefined ? 'autocannon' : `wrk ${versionOf('wrk', '-v')}`,
    versions: Object.fromEntries(installed.map((name) => [name, peers[name].version()])),
    missing: Object.fromEntries(absent.map((name) => [name, peers[name].missing()!])),
  }
}

const NAMES: Partial<Record<PeerName, string>> = {
  nginx: 'nginx',
  varnish: 'Varnish',
  trafficserver: 'Traffic Server',
  haproxy: 'HAProxy',
  'http-proxy': '@fastify/http-proxy',
}

/** The lines below the title. */
export function machineLines(about: Machine): string[] {
  const versions = Object.entries(NAMES).flatMap(([name, title]) =>
    name in about.versions ? [`${title} ${about.versions[name]}`] : [],
  )
  const { date, node, platform, processor, cores, kernel, load, client } = about
  return [
    `${date}, Node ${node}, ${platform}, kernel ${kernel}, ${cores} cores (${processor}), load ${load.toFixed(1)} before.`,
    '',
    `${[...versions, `client ${client}`].join(', ')}.`,
    '',
    ...Object.entries(about.missing).flatMap(([name, reason]) => [`${name} is left out: ${reason}.`, '']),
  ]
}
