// node node-tcp-server.ts PORT: answers whatever comes on a connection with the same 1 KiB, and reads nothing of it.
import { createServer } from 'node:net'
import { contentOf } from '../origin-content.ts'

const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1024\r\n\r\n'
const ANSWER = Buffer.concat([Buffer.from(head), contentOf(1024)])

createServer({ noDelay: true }, (socket) => {
  socket.on('data', () => socket.write(ANSWER))
  // The client is gone.
  socket.on('error', () => socket.destroy())
}).listen(Number(process.argv[2]), '127.0.0.1')
