import { setTimeout as wait } from 'node:timers/promises'

/** What the metrics endpoint says of hits, misses and bytes. */
export async function counterOf(url: string) {
  // What the response's last byte triggers is counted a moment later.
  await wait(20)
  const text = await fetch(`${url}/metrics`).then((response) => response.text())
  const value = (name: string) => {
    const line = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)
    if (line === null) throw new Error(`no metric ${name}`)
    return Number(line[1])
  }
  return {
    hits: value('cache_l1_hits_total') + value('cache_l2_hits_total'),
    misses: value('cache_misses_total'),
    fromOrigin: value('bytes_from_origin_total'),
    toClients: value('http_response_bytes_total'),
  }
}
