// node node-http-server.ts PORT: /bytes/LENGTH with the fields of a hit of slicestream.
import { createServer } from 'node:http'
import { contentOf } from '../origin-content.ts'

const bodies = new Map<string, Buffer>()

createServer((request, response) => {
  const target = request.url!
  let body = bodies.get(target)
  if (body === undefined) bodies.set(target, (body = contentOf(Number(/\d+/.exec(target)?.[0] ?? 0))))
  response.writeHead(200, [
    'Content-Type',
    'application/octet-stream',
    'Cache-Control',
    'max-age=3600',
    'ETag',
    `"${body.length}"`,
    'Accept-Ranges',
    'bytes',
    'Date',
    new Date().toUTCString(),
    'Age',
    '1',
    'Via',
    '1.1 slicestream',
    'X-Cache',
    'HIT',
    'Cache-Status',
    'slicestream; hit; ttl=3600; detail=l1',
    'Content-Length',
    String(body.length),
  ])
  response.end(body)
}).listen(Number(process.argv[2]), '127.0.0.1')
