import { bytesOf } from '../helpers/bytes.ts'
import type { Script } from '../helpers/origin.ts'

const VIDEO = bytesOf(1, 5 * 1024 * 1024)

/** What `origin.example.com` is in the examples: a video of 5 MiB at every path that ends like one, a page at all others. */
export const pageOfOrigin: Script = ({ target }, exchange) =>
  /\.(mp4|bin|iso)(\?|$)/.test(target)
    ? exchange.respondFile(VIDEO, { type: 'video/mp4', fields: { 'Surrogate-Key': 'videos' } })
    : exchange.respondFile(Buffer.from(`<p>${target.length}</p>\n`), {
        type: 'text/html',
        fields: { 'Surrogate-Key': 'pages product-42' },
      })
