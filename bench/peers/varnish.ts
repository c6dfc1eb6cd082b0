import type { Peer } from './peer.ts'

export const varnish: Peer = {
  name: 'varnish',
  missing: () => 'not written yet',
  version: () => '',
  start: () => Promise.reject(new Error('not written yet')),
}
