// node node-tcp-server.ts PORT: answers what comes on a connection with as many bytes as its first line says (/bytes/LENGTH).
import { createServer } from 'node:net'
import { contentOf } from '../origin-content.ts'

const answers = new Map<string, Buffer>()

/** The fields of a hit of slicestream, so that the client has the same to read. */
function answerTo(target: string): Buffer {
  const length = Number(/\d+/.exec(target)?.[0] ?? 0)
  const lines = [
    'HTTP/1.1 200 OK',
    'Content-Type: application/octet-stream',
    'Cache-Control: max-age=3600',
    `ETag: "${length}"`,
    'Accept-Ranges: bytes',
    `Date: ${new Date().toUTCString()}`,
    'Age: 1',
    'Via: 1.1 slicestream',
    'X-Cache: HIT',
    'Cache-Status: slicestream; hit; ttl=3600; detail=l1',
    `Content-Length: ${length}`,
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), contentOf(length)])
}

createServer({ noDelay: true }, (socket) => {
  socket.on('data', (data: Buffer) => {
    const target = data.toString('latin1', 0, data.indexOf(13))
    let answer = answers.get(target)
    if (answer === undefined) answers.set(target, (answer = answerTo(target)))
    socket.write(answer)
  })
  // The client is gone.
  socket.on('error', () => socket.destroy())
}).listen(Number(process.argv[2]), '127.0.0.1')
