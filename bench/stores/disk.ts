import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { MIB } from '../harness.ts'

/** A file of bytes that no layer below can leave out or make smaller, on the disk when this resolves. */
export async function filledFile(path: string, size: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  const noise = randomBytes(4 * MIB)
  for (let at = 0; at < size; at += noise.length) {
    noise.writeDoubleLE(at, (at / MIB) % 1024)
    await file.write(noise, 0, Math.min(noise.length, size - at), at)
  }
  await file.sync()
  await file.close()
}
