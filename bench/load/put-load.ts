import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { plain } from '../../test/helpers/child.ts'
import { createScope, tempDir } from '../../test/helpers/scope.ts'
import { pinned } from '../peers/daemon.ts'
import { programPath } from '../peers/programs.ts'
import { CORES, type Load, type LoadResult } from './load.ts'

const run = promisify(execFile)

/** Puts the load on the server, by wrk where it is installed, else by autocannon. @throws when a request failed */
export async function putLoad(load: Load): Promise<LoadResult> {
  const scope = createScope()
  try {
    const directory = tempDir(scope)
    const script = join(directory, 'load.lua')
    writeFileSync(script, luaOf(load))
    const duration = `${Math.max(1, Math.round(load.seconds))}s`
    const wrk = programPath('wrk')
    const command: [string, string[]] =
      wrk === undefined
        ? plain(process.execPath, [join(import.meta.dirname, 'autocannon-child.ts'), JSON.stringify(load)])
        : [wrk, ['-t1', `-c${load.connections}`, `-d${duration}`, '--timeout', '20s', '-s', script, load.url]]
    const stdout = await outputOf(pinned(CORES.client, command), load)
    const [requests, microseconds, ...failed] = /^RESULT (.*)$/m.exec(stdout)![1].split(' ').map(Number)
    if (requests === 0 || failed.some((count) => count > 0)) throw new Error(`requests failed:\n${stdout}`)
    return { requests, seconds: microseconds / 1e6 }
  } finally {
    await scope.end()
  }
}

async function outputOf([command, args]: [string, string[]], { seconds }: Load): Promise<string> {
  const running = run(command, args)
  // wrk counts in whole seconds, and tells what it has when it is interrupted.
  const interrupt = () => running.child.kill('SIGINT')
  const timer = seconds < 1 ? setTimeout(interrupt, seconds * 1000) : undefined
  try {
    return (await running).stdout
  } catch (error) {
    // Interrupted before it listened to that.
    if ((error as { signal?: string }).signal === 'SIGINT') return (await run(command, args)).stdout
    throw error
  } finally {
    clearTimeout(timer)
  }
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
