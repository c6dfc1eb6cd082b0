import type { FileOptions } from './file-response.ts'
import { type Exchange, type Origin, type OriginOptions, startOrigin } from './origin.ts'
import type { Scope } from './scope.ts'

/**
 * A correct origin for files by path (the query does not count); anything else is 404. `files` may be changed
 * while it runs.
 */
export async function fileOrigin(
  t: Scope,
  files: Record<string, Buffer>,
  options: FileOptions & OriginOptions = {},
): Promise<Origin & { files: Record<string, Buffer> }> {
  const serveFile = (request: { target: string }, exchange: Exchange) => {
    const bytes = files[request.target.split('?')[0]]
    if (bytes === undefined)
      return exchange.respond({ status: 404, statusText: 'Not Found', body: 'no such file\n' })
    return exchange.respondFile(bytes, options)
  }
  return Object.assign(await startOrigin(t, serveFile, options), { files })
}
