import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadAll } from 'js-yaml'
import { type Scope, tempDir } from '../helpers/scope.ts'
import { root, run } from './programs.ts'

/** What the tests read of a manifest; all else is checked by its schema. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has another, which the schema knows
  spec?: any
  data?: Record<string, string>
}

const folder = join(root, 'deploy/kubernetes')

export function readManifests(...names: string[]): Manifest[] {
  return names.flatMap((name) => parse(readFileSync(join(folder, name), 'utf8')))
}

export function parse(text: string): Manifest[] {
  return loadAll(text) as unknown as Manifest[]
}

/** Which package has the models of a group, and where in it. */
function modelsOf({ apiVersion }: Manifest): string {
  const custom = apiVersion.startsWith('monitoring.coreos.com/')
  return `${custom ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models'}/${apiVersion}`
}

/** What the schema of its kind has against a manifest: fields that are missing, wrong values. Empty: nothing. */
export async function schemaErrors(manifest: Manifest): Promise<string> {
  const models = (await import(modelsOf(manifest))) as Record<
    string,
    new (
      data: object,
    ) => { validate(): void }
  >
  const Model = models[manifest.kind]
  if (Model === undefined) return `no ${manifest.kind} in ${manifest.apiVersion}`
  try {
    new Model(manifest).validate()
    return ''
  } catch (error) {
    return `${manifest.kind} ${manifest.metadata.name}: ${(error as Error).message}`
  }
}

/**
 * Fields that no such object has: the schemas let them pass, as Kubernetes itself does without strict validation. The
 * compiler does not, for a literal.
 */
export async function unknownFields(t: Scope, manifests: Manifest[]): Promise<string> {
  const dir = tempDir(t)
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  const lines = manifests.map((manifest, index) => {
    const type = `import('${modelsOf(manifest)}').I${manifest.kind}`
    return `export const _${index}: ${type} = ${JSON.stringify(manifest, null, 1)}`
  })
  writeFileSync(join(dir, 'manifests.mts'), lines.join('\n'))
  const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, types: [], module: 'nodenext' }
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['manifests.mts'] }))
  const { code, stdout, stderr } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', dir])
  return code === 0 ? '' : stdout + stderr
}
