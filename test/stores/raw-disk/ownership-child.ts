/** Opens the raw disk at the path given and keeps it; says `open`, or the code and message of what refused it. */
import { openRawDisk } from '../../../lib/stores/raw-disk/open.ts'
import { sizes } from './opening.ts'

const path = process.argv[2]
try {
  await openRawDisk({ path, ...sizes, directIo: true, format: false })
  process.stdout.write('open\n')
  setInterval(() => {}, 60_000)
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException
  process.stdout.write(`${code} ${message}\n`)
}
