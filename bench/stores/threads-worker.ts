// A worker of threads-child.ts: reads synchronously what it is asked for, into memory that both share.
import { readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { ASKED, CELLS, DONE, STOP, type WorkerData } from './threads-ring.ts'

const { fd, memory, wake, ring } = workerData as WorkerData
const { control, place, bytes, offset } = ring

function read(cell: number): void {
  const target = new Uint8Array(memory, offset[cell], bytes[cell])
  if (readSync(fd, target, 0, target.length, place[cell]) !== target.length) throw new Error('short read')
}

if (wake === 'message') {
  parentPort!.on('message', (cell: number) => {
    read(cell)
    parentPort!.postMessage(cell)
  })
} else {
  for (let next = 0; Atomics.load(control, STOP) === 0; ) {
    if (Atomics.load(control, ASKED) <= next) {
      Atomics.wait(control, ASKED, next)
      continue
    }
    read(next++ % CELLS)
    Atomics.add(control, DONE, 1)
    Atomics.notify(control, DONE)
  }
}
