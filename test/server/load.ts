import { setTimeout as wait } from 'node:timers/promises'
import { type Answer, type Connection, connect } from '../helpers/client.ts'

/** One thing to ask for, and what must come. */
export interface Wanted {
  target: string
  range?: string
  status: number
  isRight: (body: Buffer) => boolean
}

export interface LoadOptions {
  /** Requests a second, of all workers. A busy machine makes it fewer: each worker waits for its answer. */
  rate: number
  /** Workers that keep their connection, and workers that open one for each request. */
  keeping: number
  opening: number
  wanted: readonly Wanted[]
  /**
   * Whether a connection that was reset before it brought a byte is tried again, as clients do that keep connections or
   * send safe requests (RFC 9110 section 9.2.2).
   */
  retryResets?: boolean
}

export interface Load {
  /** Answers that were right. */
  readonly answered: number
  /** What went wrong, in words. */
  readonly failures: string[]
  /** Requests that were tried again. */
  readonly resets: number
  stop(): Promise<void>
}

/** Asks for things until it is stopped. */
export function startLoad(url: string, options: LoadOptions): Load {
  const { rate, keeping, opening, wanted, retryResets = false } = options
  const workers = keeping + opening
  const pause = (workers / rate) * 1000
  const failures: string[] = []
  let [answered, resets, asked] = [0, 0, 0]
  let stopped = false

  async function work(keeps: boolean, start: number): Promise<void> {
    let connection: Connection | null = null
    await wait(start)
    for (let next = performance.now(); !stopped; ) {
      const want = wanted[asked++ % wanted.length]
      connection = await once(want, keeps ? connection : null, retryResets)
      if (!keeps) connection?.close()
      next = Math.max(next + pause, performance.now())
      await wait(Math.max(0, next - performance.now()))
    }
    connection?.close()
  }

  /** @returns the connection, if it may bring another request */
  async function once(want: Wanted, kept: Connection | null, mayRetry: boolean): Promise<Connection | null> {
    let connection = kept
    try {
      connection ??= await connect(url)
      const answer = await connection.request(want.target, { range: want.range, timeout: 60_000 })
      if (answer.status === 0) throw new Error(`no answer, the connection ended: ${answer.ended}`)
      const wrong = wrongWith(answer, want)
      if (wrong === null) answered++
      else failures.push(`${want.target} ${want.range ?? ''}: ${wrong}`)
      if (wrong === null && answer.header('connection') !== 'close') return connection
    } catch (error) {
      connection?.close()
      if (mayRetry) {
        resets++
        return once(want, null, false)
      }
      failures.push(`${want.target}: ${(error as Error).message}, on a ${kept ? 'kept' : 'new'} connection`)
      return null
    }
    connection.close()
    return null
  }

  const running = Array.from({ length: workers }, (_, i) => work(i < keeping, (i * pause) / workers))
  return {
    get answered() {
      return answered
    },
    failures,
    get resets() {
      return resets
    },
    async stop() {
      stopped = true
      await Promise.all(running)
    },
  }
}

function wrongWith(answer: Answer, { status, isRight }: Wanted): string | null {
  if (answer.status !== status) return `status ${answer.status}`
  if (!answer.complete) return `cut after ${answer.length} bytes: ${answer.ended}`
  return isRight(answer.body) ? null : 'other bytes'
}
