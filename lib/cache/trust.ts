import { BlockList, isIP, isIPv6 } from 'node:net'
import { fieldValue, listMembers } from '../semantics/fields.ts'
import { remembered } from '../semantics/remembered.ts'
import type { FieldList } from '../semantics/types.ts'

/** Whether an address belongs to a proxy of ours. */
export type TrustCheck = (address: string | undefined) => boolean

/** @param proxies addresses and CIDR blocks */
export function createTrustCheck(proxies: readonly string[]): TrustCheck {
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address, prefix] = proxy.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (prefix === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(prefix), family)
  }
  if (proxies.length === 0) return () => false
  // Asked for each request, mostly for the few proxies in front.
  const isListed = remembered((address: string) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'))
  return (address) => address !== undefined && isListed(address)
}

/**
 * The client's address: the last one in X-Forwarded-For that is not of a proxy of ours, where the peer is one. What is
 * written further to the left, anybody may have written.
 */
export function clientAddress(
  peer: string | undefined,
  request: FieldList,
  trusted: TrustCheck,
): string | undefined {
  if (!trusted(peer)) return peer
  const hops = listMembers(fieldValue(request, 'x-forwarded-for') ?? '')
  let client = peer
  for (let i = hops.length - 1; i >= 0 && trusted(client); i--) {
    const address = hops[i].replace(PORT, '').replace(/^\[(.*)\]$/, '$1')
    if (isIP(address) === 0) break
    client = address
  }
  return client
}

/** Behind an IPv4 address or one in brackets; some proxies write it. */
const PORT = /(?<=^[^:]+|\]):\d+$/
