import { get } from '../helpers/client.ts'

/** The value of a metric without labels, as a scrape has it. */
export async function metric(metrics: string, name: string): Promise<number> {
  const text = (await get(`${metrics}/metrics`)).body.toString()
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(text)
  if (found === null) throw new Error(`no metric ${name}`)
  return Number(found[1])
}
