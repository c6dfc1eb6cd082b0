import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { RANGES, type Range, type StatusReport } from './status.ts'

/** Files of the page by the path that they are served under, relative to that of the page: '' is the page itself. */
export type PageFiles = ReadonlyMap<string, { type: string; bytes: Buffer }>

/** Nothing but our own files, and nothing inline: what a hostile URL might bring into the page is never run. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}

/** What answers each path: the page, its files and `status`, the figures as JSON. Reading only. */
export function statusAnswers(
  files: PageFiles,
  report: (range: Range) => StatusReport,
): Map<string, RequestListener> {
  const answers = new Map<string, RequestListener>()
  for (const [path, { type, bytes }] of files) {
    answers.set(path, (request, response) => send(request, response, 200, type, bytes))
  }
  answers.set('status', (request, response) => {
    const range = rangeOf(request)
    const body = range ? report(range) : { error: `range: must be one of ${RANGES.join(', ')}` }
    send(request, response, range ? 200 : 400, 'application/json; charset=utf-8', JSON.stringify(body))
  })
  return answers
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  code: number,
  type: string,
  body: string | Buffer,
): void {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { ...HEADERS, allow: 'GET, HEAD' }).end()
    return
  }
  response.writeHead(code, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Undefined for one that there is not. */
function rangeOf({ url = '' }: IncomingMessage): Range | undefined {
  const question = url.indexOf('?')
  const asked = question === -1 ? null : new URLSearchParams(url.slice(question)).get('range')
  return asked === null ? RANGES[0] : RANGES.find((range) => range === asked)
}
