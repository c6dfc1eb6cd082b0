import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { bytesOf, sha256 } from '../helpers/bytes.ts'
import { connect } from '../helpers/client.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { startServer } from '../helpers/server.ts'
import { counterOf } from './metrics.ts'
import { startNginx } from './nginx.ts'
import { type Report, size } from './report.ts'

const MIB = 1024 * 1024
const SIZES: Record<string, number> = {
  'empty.bin': 0,
  'one.bin': 1,
  'slice.bin': MIB,
  'song.bin': 10 * MIB + 7,
  'film.bin': 300 * MIB + 1,
  'disk.bin': 2048 * MIB,
}
const INTERRUPTED = ['film.bin', 'disk.bin']

/** nginx with files up to 2 GiB; curl -C -, wget -c and a client that seeks; cold, warm, restarted, origin stopped. */
export async function testFiles(t: Scope, report: Report): Promise<void> {
  const served = tempDir(t)
  const got = tempDir(t)
  const sums: Record<string, string> = {}
  for (const [name, length] of Object.entries(SIZES)) {
    writeFile(join(served, name), length, name.length)
    sums[name] = await sumOf(join(served, name))
  }
  const nginx = await startNginx(t, served)
  const server = await startServer(t, {
    upstream_address: nginx.url,
    l1_cache_size_bytes: 256 * MIB,
    l2_cache_size_bytes: 8192 * MIB,
    log_level: 'warn',
  })

  const total = Object.values(SIZES).reduce((sum, length) => sum + length, 0)
  report.line('')
  report.line('## Files of nginx, by curl, wget and a client that seeks')
  report.line('')
  report.line(
    `${Object.keys(SIZES).length} files, ${size(total)}: ${Object.entries(SIZES)
      .map(([name, length]) => `${name} ${size(length)}`)
      .join(', ')}.`,
  )
  report.line('Memory 256 MiB, files 8 GiB, slices of 1 MiB; origin, proxy and clients on one machine.')
  report.line('')
  report.line('| state | client | result | time | from the origin | hits, misses | resident |')
  report.line('|---|---|---|---|---|---|---|')

  async function step(state: string, client: string, work: () => Promise<string>): Promise<void> {
    const before = await counters()
    const started = performance.now()
    const result = await work()
    const seconds = (performance.now() - started) / 1000
    const after = await counters()
    const bytes = size(after.fromOrigin - before.fromOrigin)
    const hits = `${after.hits - before.hits}, ${after.misses - before.misses}`
    report.line(
      `| ${state} | ${client} | ${result} | ${seconds.toFixed(1)} s | ${bytes} | ${hits} | ${size(server.rss())} |`,
    )
  }
  const counters = () => counterOf(server.metrics)

  async function all(state: string): Promise<void> {
    await step(state, 'curl, whole files', async () => {
      for (const name of Object.keys(SIZES)) {
        await curl('-o', join(got, name), `${server.url}/${name}`)
        report.check((await sumOf(join(got, name))) === sums[name], `${state}: curl ${name}`)
      }
      return `${Object.keys(SIZES).length} sums equal`
    })
    await resumes(state)
    await step(state, 'seeking, 400 ranges', async () => {
      const bytes = await seek(server.url, join(served, 'disk.bin'), report)
      return `400 ranges, ${size(bytes)}, equal`
    })
  }

  async function resumes(state: string): Promise<void> {
    for (const name of INTERRUPTED) {
      const file = join(got, name)
      await step(state, `curl -C -, ${name}`, async () => {
        rmSync(file, { force: true })
        // Exit code 28: the time is up, with a part of the file written.
        await curl('--max-time', '1', '--limit-rate', '60M', '-o', file, `${server.url}/${name}`).catch(
          () => {},
        )
        const part = statSync(file).size
        report.check(part > 0 && part < SIZES[name], `${state}: curl was interrupted in ${name}`)
        await curl('-C', '-', '-o', file, `${server.url}/${name}`)
        report.check((await sumOf(file)) === sums[name], `${state}: curl -C - ${name}`)
        return `resumed at ${size(part)}, sum equal`
      })
      await step(state, `wget -c, ${name}`, async () => {
        rmSync(file, { force: true })
        await run(
          'timeout',
          '1',
          'wget',
          '-q',
          '--limit-rate=60m',
          '-O',
          file,
          `${server.url}/${name}`,
        ).catch(() => {})
        const part = statSync(file).size
        report.check(part > 0 && part < SIZES[name], `${state}: wget was interrupted in ${name}`)
        await run('wget', '-q', '-c', '-O', file, `${server.url}/${name}`)
        report.check((await sumOf(file)) === sums[name], `${state}: wget -c ${name}`)
        return `resumed at ${size(part)}, sum equal`
      })
    }
  }

  // Cold once by resumes and seeks alone: those must cope with an empty cache, not with what whole files left.
  await resumes('cold')
  await step('cold', 'the other files', async () => {
    for (const name of Object.keys(SIZES).filter((name) => !INTERRUPTED.includes(name))) {
      await curl('-o', join(got, name), `${server.url}/${name}`)
      report.check((await sumOf(join(got, name))) === sums[name], `cold: curl ${name}`)
    }
    return 'sums equal'
  })
  await all('warm')
  report.check((await server.kill('SIGTERM')) === 0, 'SIGTERM ends with exit code 0')
  await server.start()
  await all('restarted')
  await nginx.stop()
  await all('origin stopped')
  report.line('')
  report.line(
    'A cold client is not slowed down to the pace of the disk: slices that the full queue to the disk could not take are',
  )
  report.line('asked for again by the next client. That is what wget had from the origin in the cold state.')
  await server.kill()
}

/** 400 ranges of 1 byte to 4 MiB at places all over the file, on 4 connections at once. Resolves to the bytes compared. */
async function seek(url: string, file: string, report: Report): Promise<number> {
  const { size: length } = statSync(file)
  const random = new Uint32Array(bytesOf(length % 1000, 6400).buffer)
  const handle = openSync(file, 'r')
  let compared = 0
  await Promise.all(
    [0, 1, 2, 3].map(async (lane) => {
      const connection = await connect(url)
      for (let i = lane * 100; i < lane * 100 + 100; i++) {
        const start = random[i * 4] % length
        const end = Math.min(length, start + 1 + (random[i * 4 + 1] % (4 * MIB)))
        const answer = await connection.request('/disk.bin', { range: `bytes=${start}-${end - 1}` })
        const expected = Buffer.alloc(end - start)
        readSync(handle, expected, 0, expected.length, start)
        const what = `range ${start}-${end - 1}`
        report.check(answer.status === 206 && answer.complete, `${what}: 206 (was ${answer.status})`)
        report.check(answer.header('content-range') === `bytes ${start}-${end - 1}/${length}`, what)
        report.check(sha256(answer.body) === sha256(expected), `${what}: bytes`)
        compared += answer.length
      }
      connection.close()
    }),
  )
  closeSync(handle)
  return compared
}

function writeFile(file: string, length: number, seed: number): void {
  const handle = openSync(file, 'w')
  for (let at = 0; at < length; at += 64 * MIB) {
    writeSync(handle, bytesOf(seed + at / MIB, Math.min(64 * MIB, length - at)))
  }
  closeSync(handle)
}

async function sumOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: MIB }), hash)
  return hash.digest('hex')
}

const curl = (...args: string[]) => run('curl', '-sS', '--fail', ...args)

function run(command: string, ...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(command, args, (error, _stdout, stderr) =>
      error ? reject(new Error(`${command}: ${stderr}`, { cause: error })) : resolve(),
    )
  })
}
