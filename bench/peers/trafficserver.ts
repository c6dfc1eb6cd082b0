import type { Peer } from './peer.ts'

export const trafficserver: Peer = {
  name: 'trafficserver',
  missing: () => 'not written yet',
  version: () => '',
  start: () => Promise.reject(new Error('not written yet')),
}
