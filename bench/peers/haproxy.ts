import type { Peer } from './peer.ts'

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => 'not written yet',
  version: () => '',
  start: () => Promise.reject(new Error('not written yet')),
}
