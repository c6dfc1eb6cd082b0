import { BlockList, isIPv6 } from 'node:net'

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
  return (address) => address !== undefined && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
