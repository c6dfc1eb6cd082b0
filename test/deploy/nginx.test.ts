import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { bytesOf } from '../helpers/bytes.ts'
import { certificateFile, startOrigin } from '../helpers/origin.ts'
import { programPath } from '../helpers/program-path.ts'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { freePorts, startServer } from '../helpers/server.ts'
import { missing, root, run, startDaemon } from './programs.ts'

const file = readFileSync(join(root, 'deploy/nginx/slicestream.conf'), 'utf8')
const skip = missing('nginx')
const keyFile = join(certificateFile, '../key.pem')

/** nginx.conf around ours, which gets other ports, another certificate and another address, and is else as it is. */
function configuration(t: Scope, ports: { plain: number; tls: number }, upstream: string): string[] {
  const dir = tempDir(t)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  for (const name of temp) mkdirSync(join(dir, name))
  const ours = file
    .replace('listen 80;', `listen 127.0.0.1:${ports.plain};`)
    .replace('listen 443 ssl http2;', `listen 127.0.0.1:${ports.tls} ssl http2;`)
    .replace('/etc/ssl/certs/cdn.example.com.crt', certificateFile)
    .replace('/etc/ssl/private/cdn.example.com.key', keyFile)
    .replace('server 127.0.0.1:8080;', `server ${upstream};`)
  writeFileSync(
    join(dir, 'nginx.conf'),
    `worker_processes 1; pid ${dir}/pid; daemon off; error_log stderr;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 256; }
http {
access_log off;
${temp.map((name) => `${name}_temp_path ${dir}/${name};`).join('\n')}
${ours}
}`,
  )
  return ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr']
}

t.test('nginx takes the file', { skip }, async (t) => {
  const { code, stderr } = await run('nginx', [
    ...configuration(t, { plain: 1, tls: 2 }, '127.0.0.1:3'),
    '-t',
  ])
  t.equal(code, 0, stderr)
  t.notMatch(stderr, /\[(warn|emerg)\](?!.*http2)/)
})

t.test('TLS and HTTP/2 in front of slicestream', { skip, timeout: 400_000 }, async (t) => {
  const body = bytesOf(3, 2_000_000)
  const { promise: goOn, resolve: finish } = Promise.withResolvers<void>()
  const origin = await startOrigin(t, async (request, exchange) => {
    if (request.target === '/slow') {
      await exchange.head({ fields: ['Content-Length', '10', 'Cache-Control', 'no-store'] })
      await exchange.write('first')
      await exchange.stall(goOn)
      return exchange.write(' last')
    }
    if (request.method === 'POST') return exchange.respond({ body: String((await request.body).length) })
    return exchange.respondFile(body)
  })
  const server = await startServer(t, {
    upstream_address: origin.url,
    upstream: { host_header: 'client' },
    trusted_proxies: ['127.0.0.1'],
  })
  const [plain, tls] = await freePorts(2)
  const args = configuration(t, { plain, tls }, new URL(server.url).host)
  const nginx = startDaemon(t, programPath('nginx')!, args)
  await untilListens(tls)

  const certificate = readFileSync(certificateFile)
  const session = connect(`https://localhost:${tls}`, { ca: certificate })
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  t.equal(session.alpnProtocol, 'h2')

  function ask(path: string, fields: Record<string, string> = {}, payload?: Buffer) {
    const stream = session.request(
      { ':path': path, ':authority': 'cdn.example.com', ...fields },
      { endStream: !payload },
    )
    const response = once(stream, 'response').then(([head]) => head as Record<string, string | number>)
    const pieces: Buffer[] = []
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    if (payload) stream.end(payload)
    return { stream, response, body: once(stream, 'end').then(() => Buffer.concat(pieces)) }
  }

  t.test('a MISS, then a HIT, then a range of it', async (t) => {
    for (const expected of ['MISS', 'HIT']) {
      const answer = ask('/film%2Fone?a=%20b')
      t.match(await answer.response, { ':status': 200, 'x-cache': expected })
      t.ok((await answer.body).equals(body))
    }
    const part = ask('/film%2Fone?a=%20b', { range: 'bytes=1500000-1500009' })
    t.match(await part.response, { ':status': 206, 'x-cache': 'HIT' })
    t.ok((await part.body).equals(body.subarray(1_500_000, 1_500_010)))
    t.equal(origin.requests.length, 1)
    t.equal(origin.requests[0].target, '/film%2Fone?a=%20b', 'the target as the client wrote it')
  })

  t.test('the origin learns of the host, the client and TLS', async (t) => {
    await ask('/other', { 'x-forwarded-for': '203.0.113.9' }).body
    const { header } = origin.requests.at(-1)!
    t.equal(header('host'), 'cdn.example.com')
    t.equal(header('x-forwarded-proto'), 'https')
    t.notMatch(header('x-forwarded-for'), /203\.0\.113\.9/)
  })

  t.test('bytes come as they are sent, and uploads go through', async (t) => {
    const slow = ask('/slow')
    const [first] = await once(slow.stream, 'data')
    t.equal(String(first), 'first', 'before the origin has finished')
    finish()
    t.equal(String(await slow.body), 'first last')
    const upload = ask('/upload', { ':method': 'POST' }, Buffer.alloc(3_000_000))
    t.equal(String(await upload.body), '3000000')
  })

  t.test('a purge does not pass, and plain HTTP is sent to TLS', async (t) => {
    t.match(await ask('/film', { ':method': 'PURGE' }).response, { ':status': 405 })
    const moved = await fetch(`http://127.0.0.1:${plain}/a?b`, { redirect: 'manual' })
    t.equal(moved.status, 301)
    t.match(moved.headers.get('location'), /^https:\/\/.*\/a\?b$/)
  })

  t.test('TLS 1.1 is refused', async (t) => {
    const old = connectTls({
      port: tls,
      host: '127.0.0.1',
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      ca: certificate,
    })
    const [error] = await once(old, 'error')
    t.ok(error)
  })

  t.equal(nginx.process.exitCode, null)
})

async function untilListens(port: number): Promise<void> {
  const certificate = readFileSync(certificateFile)
  for (let tries = 0; tries < 3000; tries++) {
    const socket = connectTls({ port, host: 'localhost', ca: certificate })
    const open = await once(socket, 'secureConnect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('nginx did not listen')
}
