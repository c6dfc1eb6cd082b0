import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { load } from 'js-yaml'
import t from 'tap'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { programPath } from '../helpers/program-path.ts'
import { tempDir } from '../helpers/scope.ts'
import { type Manifest, parse, readManifests, schemaErrors, unknownFields } from './manifests.ts'
import { missing, root, run } from './programs.ts'

const folder = join(root, 'deploy/kubernetes')
const shared = ['base/services.yaml', 'base/disruption-budget.yaml', 'base/network-policy.yaml']
const variants = {
  statefulset: [...shared, 'statefulset/statefulset.yaml', 'statefulset/autoscaler.yaml'],
  deployment: [...shared, 'deployment/deployment.yaml', 'deployment/autoscaler.yaml'],
}
const configFile = join(folder, 'base/config.yaml')
const config: Config = loadConfig(readFileSync(configFile, 'utf8'), { file: configFile, env: {} }).config!
const portOf = (address: string) => Number(address.split(':').at(-1))
const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version

const named = (all: Manifest[], kind: string, name = 'slicestream') =>
  all.find((each) => each.kind === kind && each.metadata.name === name)!
const workload = (all: Manifest[]) => all.find(({ kind }) => kind === 'StatefulSet' || kind === 'Deployment')!
const container = (all: Manifest[]) => workload(all).spec.template.spec.containers[0]
const covers = (selector: Record<string, string>, labels: Record<string, string>) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)

async function kustomize(dir: string) {
  return run('kubectl', ['kustomize', dir])
}
const noKubectl = missing('kubectl') || tooOld()
function tooOld(): string | false {
  const version = execFileSync(programPath('kubectl')!, ['version', '--client'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return !version.includes('Kustomize Version') && 'this kubectl is older than 1.24'
}

t.test('the configuration of the ConfigMap is a right one', async (t) => {
  const { code, stdout, stderr } = await run(process.execPath, ['server.ts', '--check-config', configFile])
  t.match({ code, stdout, stderr }, { code: 0, stdout: 'ok\n', stderr: '' })
})

t.test('each manifest is what its schema says, and has no other fields', async (t) => {
  const all = [...new Set(Object.values(variants).flat())].flatMap((name) => readManifests(name))
  all.push(...readManifests('monitoring/service-monitor.yaml'))
  t.same([...new Set(all.map(({ kind }) => kind))].toSorted(), [
    'Deployment',
    'HorizontalPodAutoscaler',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Service',
    'ServiceMonitor',
    'StatefulSet',
  ])
  for (const manifest of all) t.equal(await schemaErrors(manifest), '')
  t.equal(await unknownFields(t, all), '')

  t.test('wrong ones are noticed', async (t) => {
    const [wrong] = readManifests('statefulset/statefulset.yaml')
    wrong.spec.template.spec.containers[0].startupProbe.perdiodSeconds = 3
    t.match(await unknownFields(t, [wrong]), /perdiodSeconds/)
    const [misnamed] = readManifests('base/disruption-budget.yaml')
    Object.assign(misnamed.metadata, { lables: {} })
    t.match(await unknownFields(t, [misnamed]), /lables/)
    delete wrong.spec.selector
    t.match(await schemaErrors(wrong), /selector/)
  })
})

for (const [name, files] of Object.entries(variants)) {
  const all = readManifests(...files)
  const main = workload(all)
  const pod = main.spec.template
  const program = container(all)

  t.test(`${name}: ports and paths are those of the configuration`, async (t) => {
    const ports = Object.fromEntries(
      program.ports.map((port: { name: string; containerPort: number }) => [port.name, port.containerPort]),
    )
    t.same(ports, {
      http: portOf(config.listen_address),
      health: portOf(config.health_endpoint.address),
      metrics: portOf(config.metrics_endpoint.address),
    })
    for (const address of [
      config.listen_address,
      config.health_endpoint.address,
      config.metrics_endpoint.address,
    ]) {
      t.match(address, /^0\.0\.0\.0:/, 'the kubelet and Prometheus come from outside of the pod')
    }
    for (const { name, spec } of all
      .filter(({ kind }) => kind === 'Service')
      .map(({ metadata, spec }) => ({ name: metadata.name, spec }))) {
      for (const { targetPort } of spec.ports) t.ok(targetPort in ports, `${name}: ${targetPort}`)
    }
    t.same(
      [program.startupProbe, program.livenessProbe, program.readinessProbe].map(({ httpGet }) => [
        httpGet.path,
        httpGet.port,
      ]),
      [
        ['/live', 'health'],
        ['/live', 'health'],
        ['/ready', 'health'],
      ],
    )
    const mounts: { name: string; mountPath: string }[] = program.volumeMounts
    t.same(mounts.find(({ name }) => name === 'cache')?.mountPath, config.l2_cache_dir)
    const dockerfile = readFileSync(join(root, 'docker/Dockerfile'), 'utf8')
    const file = dockerfile.match(/^CMD .*"(\S+)\/config\.yaml"\]$/m)![1]
    t.same(mounts.find(({ name }) => name === 'config')?.mountPath, file, 'where the image looks')
  })

  t.test(`${name}: every selector finds the pods, and they find their volumes`, async (t) => {
    const { labels } = pod.metadata
    t.ok(covers(main.spec.selector.matchLabels, labels))
    for (const { kind, metadata, spec } of all) {
      if (kind === 'Service') t.ok(covers(spec.selector, labels), metadata.name)
      if (kind === 'PodDisruptionBudget') t.ok(covers(spec.selector.matchLabels, labels))
      if (kind === 'NetworkPolicy') t.ok(covers(spec.podSelector.matchLabels, labels))
      if (kind === 'HorizontalPodAutoscaler') {
        t.same(spec.scaleTargetRef, { apiVersion: 'apps/v1', kind: main.kind, name: main.metadata.name })
      }
    }
    t.notOk('replicas' in main.spec, 'the autoscaler decides')
    const claims = (main.spec.volumeClaimTemplates ?? []).map(({ metadata }: Manifest) => metadata.name)
    const volumes = [...pod.spec.volumes.map((volume: { name: string }) => volume.name), ...claims]
    t.same(program.volumeMounts.map((mount: { name: string }) => mount.name).toSorted(), volumes.toSorted())
    if (main.kind === 'StatefulSet')
      t.ok(named(all, 'Service', main.spec.serviceName).spec.clusterIP === 'None')
  })

  t.test(`${name}: sizes and times fit into each other`, async (t) => {
    const claim = main.spec.volumeClaimTemplates?.[0].spec.resources.requests.storage
    const volume = bytes(
      claim ?? pod.spec.volumes.find(({ name }: { name: string }) => name === 'cache').emptyDir.sizeLimit,
    )
    t.ok(volume > config.l2_cache_size_bytes * 1.1, 'room for what a file system takes')
    t.ok(bytes(program.resources.limits.memory) > config.pressure.max_rss_bytes * 1.1)
    t.ok(bytes(program.resources.requests.memory) > config.l1_cache_size_bytes * 2)
    const preStop = Number(program.lifecycle.preStop.exec.command[1])
    t.ok(pod.spec.terminationGracePeriodSeconds > preStop + config.shutdown_timeout_ms / 1000)
  })

  t.test(`${name}: the pod is what the restricted standard asks for`, async (t) => {
    t.match(pod.spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    t.match(program.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
    t.same(program.securityContext.capabilities, { drop: ['ALL'] })
    t.equal(pod.spec.automountServiceAccountToken, false)
    const user = readFileSync(join(root, 'docker/Dockerfile'), 'utf8').match(/^USER (\d+):(\d+)$/m)!
    t.same(
      [pod.spec.securityContext.runAsUser, pod.spec.securityContext.runAsGroup],
      user.slice(1).map(Number),
    )
  })

  t.test(`${name}: kustomize makes one whole of it`, { skip: noKubectl }, async (t) => {
    const { code, stdout, stderr } = await kustomize(join(folder, name))
    t.equal(code, 0, stderr)
    const built = parse(stdout)
    t.equal(built.length, all.length + 1)
    for (const manifest of built) t.equal(await schemaErrors(manifest), '')
    t.equal(await unknownFields(t, built), '')
    const map = built.find(({ kind }) => kind === 'ConfigMap')!
    t.equal(map.data!['config.yaml'], readFileSync(configFile, 'utf8'))
    const volume = workload(built).spec.template.spec.volumes.find(
      ({ name }: { name: string }) => name === 'config',
    )
    t.equal(volume.configMap.name, map.metadata.name, 'its name has the hash of its content')
    t.match(map.metadata.name, /^slicestream-.+/)
    t.match(container(built).image, new RegExp(`/slicestream:${version}$`))
  })
}

t.test('both variants have the same pod, but for its cache', async (t) => {
  const [one, other] = Object.values(variants).map((files) =>
    structuredClone(workload(readManifests(...files)).spec.template),
  )
  other.spec.volumes = other.spec.volumes.filter(({ name }: { name: string }) => name !== 'cache')
  t.same(one, other)
})

t.test('the ServiceMonitor finds one Service, whose name is the job that alerts look for', async (t) => {
  const [monitor] = readManifests('monitoring/service-monitor.yaml')
  const found = readManifests('base/services.yaml').filter(({ metadata }) =>
    covers(monitor.spec.selector.matchLabels, metadata.labels),
  )
  t.same(
    found.map(({ metadata }) => metadata.name),
    ['slicestream'],
  )
  const [{ port, path }] = monitor.spec.endpoints
  t.ok(found[0].spec.ports.some(({ name }: { name: string }) => name === port))
  t.equal(path, '/metrics')
})

t.test('kustomize adds the component for the Prometheus operator', { skip: noKubectl }, async (t) => {
  const dir = tempDir(t)
  // Kustomize takes no absolute paths of folders.
  const up = '../'.repeat(dir.split('/').length - 1)
  const resources = [`${up}${join(folder, 'statefulset').slice(1)}`]
  const components = [`${up}${join(folder, 'monitoring').slice(1)}`]
  writeFileSync(join(dir, 'kustomization.yaml'), JSON.stringify({ resources, components }))
  const { code, stdout, stderr } = await kustomize(dir)
  t.equal(code, 0, stderr)
  t.ok(named(parse(stdout), 'ServiceMonitor'))
})

t.test('the images of both variants have the version of the package', async (t) => {
  for (const name of Object.keys(variants)) {
    const file = load(readFileSync(join(folder, name, 'kustomization.yaml'), 'utf8')) as { images: object[] }
    t.match(file.images, [{ name: 'slicestream', newTag: version }])
  }
})

/** A Kubernetes quantity in bytes. */
function bytes(quantity: string): number {
  const [, number, unit] = quantity.match(/^(\d+)([KMGT]i)$/)!
  return Number(number) * 1024 ** ('KMGT'.indexOf(unit[0]) + 1)
}
