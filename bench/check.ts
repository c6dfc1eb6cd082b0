import { setTimeout as wait } from 'node:timers/promises'
import { type Answer, connect, get } from '../test/helpers/client.ts'
import type { Contest, Contestant } from './contest.ts'
import { contentOf, PIECE_LENGTH } from './origin-content.ts'

/** How many requests have reached the origin so far. */
export async function requestsOf(origin: string): Promise<number> {
  return Number((await get(`${origin}/requests`)).body.toString())
}

/**
 * What is measured has to be right: each request of the work is answered with its bytes, and a second time from the cache, or
 * not. Fills the caches on the way. @param patience milliseconds in which hits have to become hits. @throws when not
 */
export async function checkBytes(
  origin: string,
  contestant: Contestant,
  work: Contest,
  patience = 20_000,
): Promise<void> {
  const failed = (what: string) => new Error(`${contestant.label}, ${work.work}: ${what}`)
  const deadline = Date.now() + patience
  for (let pass = 0; ; pass++) {
    const before = await requestsOf(origin)
    const connection = await connect(contestant.url)
    for (const { path, headers = {} } of work.requests) {
      const target = work.fresh ? `${path}?check-${contestant.label.replaceAll(' ', '-')}-${pass}` : path
      const wrong = wrongWith(await connection.request(target, { headers }), work.size, headers.Range)
      if (wrong !== null) throw failed(`${path} ${wrong}`)
    }
    connection.close()
    const reached = (await requestsOf(origin)) - before
    if (pass === 0) continue
    if (work.expect === 'hit' && reached === 0) return
    if (work.expect === 'miss' && reached >= work.requests.length) return
    // A tier on disk has its entries a moment after the client.
    if (work.expect === 'miss' || Date.now() > deadline)
      throw failed(`${reached} of ${work.requests.length} requests reached the origin, not ${work.expect}`)
    await wait(200)
  }
}

function wrongWith(answer: Answer, size: number, range: string | undefined): string | null {
  const start = Number(/^bytes=(\d+)/.exec(range ?? '')?.[1] ?? 0)
  const status = range === undefined ? 200 : 206
  const from = start % PIECE_LENGTH
  if (answer.status !== status) return `was answered with ${answer.status}`
  if (!answer.complete || answer.length !== size) return `came with ${answer.length} bytes of ${size}`
  if (!answer.body.equals(contentOf(from + size).subarray(from))) return 'came with other bytes'
  return null
}
