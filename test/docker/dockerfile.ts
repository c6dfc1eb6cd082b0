import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { DockerfileParser, ModifiableInstruction } from 'dockerfile-ast'
import { root } from '../deploy/programs.ts'
import type { Scope } from '../helpers/scope.ts'
import { createRoot, type Setting, start } from './container.ts'

export interface Instruction {
  keyword: string
  /** Continued lines joined, flags taken out. */
  text: string
  /** `--from=…` and the like. */
  flags: Record<string, string>
}

export interface Stage {
  name: string
  image: string
  instructions: Instruction[]
}

export const dockerfile = readFileSync(join(root, 'docker/Dockerfile'), 'utf8')

export function readStages(): Stage[] {
  const stages: Stage[] = []
  for (const each of DockerfileParser.parse(dockerfile).getInstructions()) {
    const text = each.getArgumentsContent() ?? ''
    const list = each instanceof ModifiableInstruction ? each.getFlags() : []
    const flags = Object.fromEntries(list.map((flag) => [flag.getName(), flag.getValue() ?? '']))
    const keyword = each.getKeyword()
    if (keyword === 'FROM') {
      const [image, , name = ''] = text.split(/\s+/)
      stages.push({ name, image, instructions: [] })
    } else {
      stages.at(-1)!.instructions.push({ keyword, text, flags })
    }
  }
  return stages
}

/** What `.dockerignore` lets into the build: it leaves everything out but what it names. */
export function buildContext(): string[] {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  if (lines[0] !== '*' || !lines.slice(1).every((line) => /^![\w.-]+$/.test(line))) {
    throw new Error('this reader knows a * and then names with ! only')
  }
  return lines.slice(1).map((line) => line.slice(1))
}

export interface Image {
  root: string
  setting: Setting
  command: string[]
  healthCheck: string[]
}

/** Carries out the Dockerfile, each stage in a root of its own. @throws what a command said that failed */
export async function build(t: Scope): Promise<Image> {
  const roots = new Map<string, string>()
  let image: Image | undefined
  for (const stage of readStages()) {
    image = await buildStage(t, stage, roots)
    roots.set(stage.name, image.root)
  }
  return image!
}

async function buildStage(t: Scope, stage: Stage, roots: ReadonlyMap<string, string>): Promise<Image> {
  const image: Image = {
    root: createRoot(t),
    setting: { env: {}, cwd: '/' },
    command: [],
    healthCheck: [],
  }
  const { setting } = image
  for (const { keyword, text, flags } of stage.instructions) {
    if (keyword === 'WORKDIR') {
      setting.cwd = text
      mkdirSync(join(image.root, text), { recursive: true })
    } else if (keyword === 'ENV') {
      const [, name, value] = text.match(/^(\w+)=(\S+)$/)!
      setting.env[name] = value
    } else if (keyword === 'COPY') {
      copy(text, flags.from === undefined ? undefined : roots.get(flags.from)!, image)
    } else if (keyword === 'RUN') {
      const step = start(t, image.root, ['sh', '-c', text], setting)
      if ((await step.exited) !== 0) throw new Error(`RUN ${text}\n${step.output}`)
    } else if (keyword === 'USER') {
      setting.user = text
    } else if (keyword === 'CMD') {
      image.command = JSON.parse(text)
    } else if (keyword === 'HEALTHCHECK') {
      image.healthCheck = JSON.parse(text.replace(/^CMD\s+/, ''))
    } else if (keyword !== 'EXPOSE') {
      throw new Error(`${keyword} is not understood here`)
    }
  }
  return image
}

/** COPY: from another stage, or from the build context, where what is not in it does not exist. */
function copy(text: string, from: string | undefined, { root: to, setting }: Image): void {
  const names = text.split(/\s+/)
  const target = names.pop()!
  const context = buildContext()
  const sources = names.flatMap((name) => (name === '.' && from === undefined ? context : [name]))
  for (const source of sources) {
    if (from === undefined && !context.includes(source))
      throw new Error(`${source} is not in the build context`)
    const into = isAbsolute(target) ? target : join(setting.cwd, target)
    const path = target === '.' || target.endsWith('/') ? join(into, basename(source)) : into
    cpSync(join(from ?? root, source), join(to, path), { recursive: true, verbatimSymlinks: true })
  }
}
