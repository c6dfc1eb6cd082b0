import type { Test } from 'tap'
import { get } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import { startServer } from '../helpers/server.ts'

export const bearer = { authorization: 'Bearer sesame' }
export const withToken = { enabled: true, auth_token: 'sesame' }

/** An origin whose answers have the tags that their query states: `?key=a+b`, `?tag=a,b`, `?group=a`. */
export async function startPurged(t: Test, purge: object) {
  let version = 1
  const origin = await startOrigin(t, (request, exchange) => {
    const { searchParams } = new URL(request.target, 'http://o')
    const [key, tag, group] = ['key', 'tag', 'group'].map((name) => searchParams.get(name))
    return exchange.respond({
      fields: [
        'Cache-Control',
        `max-age=600, stale-while-revalidate=${searchParams.get('swr') ?? 0}`,
        ...(key ? ['Surrogate-Key', key] : []),
        ...(tag ? ['Cache-Tag', tag] : []),
        ...(group ? ['Cache-Groups', `"${group}"`] : []),
      ],
      body: `${request.target} ${version}`,
    })
  })
  const server = await startServer(t, { upstream_address: origin.url, purge })
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await get(`${server.url}${path}`, { method: 'PURGE', headers })
    return { answer, status: answer.status, said: JSON.parse(answer.body.toString()) }
  }
  const purgeAs = (path: string, headers: Record<string, string> = {}) => ask(path, { ...bearer, ...headers })
  const result = async (path: string, headers: Record<string, string> = {}) =>
    (await get(`${server.url}${path}`, { headers })).header('x-cache')
  const stillThere = async (paths: string[]) => {
    const there: string[] = []
    for (const path of paths) if ((await result(path)) === 'HIT') there.push(path)
    return there
  }
  const warm = async (paths: string[]) => {
    for (const path of paths) await result(path)
    t.same(await stillThere(paths), paths)
  }
  return { origin, server, ask, purgeAs, result, stillThere, warm, change: () => version++ }
}
