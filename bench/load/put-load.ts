import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { plain } from '../../test/helpers/child.ts'
import { createScope, tempDir } from '../../test/helpers/scope.ts'
import { pinned } from '../peers/daemon.ts'
import { CORES, type Load, type LoadResult, wrkPath } from './load.ts'

const run = promisify(execFile)

/** Puts the load on the server. @throws when a request failed */
export async function putLoad(load: Load): Promise<LoadResult> {
  const wrk = wrkPath()
  const stdout = wrk === undefined ? await byAutocannon(load) : await byWrk(wrk, load)
  const [requests, microseconds, ...failed] = resultOf(stdout)
  if (requests === 0 || failed.some((count) => count > 0)) throw new Error(`requests failed:\n${stdout}`)
  return { requests, seconds: microseconds / 1e6 }
}

/** Requests, microseconds, and kinds of failures. */
function resultOf(stdout: string): number[] {
  const found = /^RESULT (.*)$/m.exec(stdout)
  if (found === null) throw new Error(`no result:\n${stdout}`)
  return found[1].split(' ').map(Number)
}

async function byAutocannon(load: Load): Promise<string> {
  const args = [join(import.meta.dirname, 'autocannon-child.ts'), JSON.stringify(load)]
  return (await run(...pinned(CORES.client, plain(process.execPath, args)))).stdout
}

async function byWrk(wrk: string, load: Load): Promise<string> {
  const scope = createScope()
  try {
    const script = join(tempDir(scope), 'load.lua')
    writeFileSync(script, luaOf(load))
    const commandFor = (seconds: number) => {
      const options = ['-t1', `-c${load.connections}`, `-d${seconds}s`, '--timeout', '20s']
      return pinned(CORES.client, [wrk, [...options, '-s', script, load.url]])
    }
    if (load.seconds >= 1) return (await run(...commandFor(Math.round(load.seconds)))).stdout
    // wrk counts in whole seconds, and tells what it has when it is interrupted. On a busy machine that is nothing, or it
    // was not ready to be interrupted.
    const interrupted = await brief(commandFor(1), load.seconds * 1000)
    return interrupted ?? (await run(...commandFor(3))).stdout
  } finally {
    await scope.end()
  }
}

async function brief([command, args]: [string, string[]], ms: number): Promise<string | null> {
  const running = run(command, args)
  const timer = setTimeout(() => running.child.kill('SIGINT'), ms)
  const stdout = await running.then(
    (output) => output.stdout,
    () => '',
  )
  clearTimeout(timer)
  return /^RESULT [1-9]/m.test(stdout) ? stdout : null
}

/** The requests are made once: concatenating strings is all that the script does while it measures. */
function luaOf({ requests, fresh }: Load): string {
  const lines = requests.map(({ path, headers = {} }) => {
    const fields = Object.entries(headers).map(([name, value]) => `[${quoted(name)}]=${quoted(value)}`)
    return `  add(wrk.format("GET", ${quoted(path)}, { Host = wrk.headers["Host"], ${fields.join(', ')} }))`
  })
  const query = quoted(`?${fresh}-`)
  return `
local before, after, n, i = {}, {}, 0, 0
local function add(text)
  local path, rest = text:match("^(GET %S+)(.*)$")
  n = n + 1
  before[n], after[n] = ${fresh === undefined ? 'text, ""' : `path .. ${query}, rest`}
end
init = function()
${lines.join('\n')}
end
request = function()
  i = i + 1
  local k = (i - 1) % n + 1
  return ${fresh === undefined ? 'before[k]' : 'before[k] .. i .. after[k]'}
end
done = function(summary)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
`
}

const quoted = (text: string) => JSON.stringify(text)
