import Fastify from 'fastify'
import t from 'tap'
import { createCounters, observeTtfb } from '../../lib/cache/counters.ts'
import { emptyStats } from '../../lib/stores/stats.ts'
import type { SliceStore } from '../../lib/stores/store.ts'
import metrics from '../../plugins/metrics.ts'
import { freePorts } from '../helpers/server.ts'
import { proxyWith } from './proxy-with.ts'

interface Scrape {
  types: Record<string, string>
  values: Record<string, number>
}

/** Reads the text format: every line is a comment or `name{labels} value`. */
function parse(text: string): Scrape {
  const scrape: Scrape = { types: {}, values: {} }
  for (const line of text.split('\n').filter((line) => line !== '')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line)
    const value = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/.exec(line)
    if (type) scrape.types[type[1]] = type[2]
    else if (value) scrape.values[value[1]] = Number(value[2])
    else if (!line.startsWith('# HELP ')) throw new Error(`not the text format: ${line}`)
  }
  return scrape
}

async function scrapeOf(counters = createCounters(), l1?: SliceStore): Promise<Scrape> {
  const fastify = Fastify()
  fastify.decorate('sliceProxy', proxyWith(counters))
  if (l1) fastify.decorate('l1', l1)
  await fastify.register(metrics, {})
  const response = await fastify.inject('/metrics')
  await fastify.close()
  return parse(response.body)
}

t.test('the names and types that dashboards and alerts rely on', async (t) => {
  const { types } = await scrapeOf()
  const contract = {
    cache_hit_rate: 'gauge',
    cache_l1_entries: 'gauge',
    cache_l1_bytes: 'gauge',
    cache_l1_hits_total: 'counter',
    cache_l2_hits_total: 'counter',
    cache_misses_total: 'counter',
    http_request_ttfb_seconds: 'histogram',
    http_response_bytes_total: 'counter',
    bytes_from_origin_total: 'counter',
    bytes_from_cache_total: 'counter',
    bytes_to_clients_total: 'counter',
    subrequests_total: 'counter',
    subrequest_failures_total: 'counter',
    subrequest_retries_total: 'counter',
    purge_requests_total: 'counter',
    process_resident_memory_bytes: 'gauge',
    nodejs_eventloop_lag_seconds: 'gauge',
  }
  for (const [name, type] of Object.entries(contract)) t.equal(types[name], type, name)
  t.notOk(
    Object.keys(types).some((name) => name.startsWith('raw_disk_')),
    'no raw disk store, no figures of one',
  )
  for (const [name, type] of Object.entries(types)) {
    if (type === 'counter') t.match(name, /_total$/, `${name} is named as a counter`)
  }
})

t.test('values are those of the moment of the scrape', async (t) => {
  const counters = createCounters()
  const l1 = { stats: () => ({ ...emptyStats(100), entries: 3, bytes: 42 }) } as unknown as SliceStore
  Object.assign(counters, {
    l1Hits: 2,
    l2Hits: 1,
    misses: 1,
    variantsDropped: 6,
    bytesToClients: 5,
    responsesByClass: [0, 0, 4, 0, 1, 0],
  })
  observeTtfb(counters, 0.0002)
  const { values } = await scrapeOf(counters, l1)
  t.match(values, {
    cache_hit_rate: 75,
    cache_l1_hits_total: 2,
    cache_l2_hits_total: 1,
    cache_misses_total: 1,
    cache_variants_dropped_total: 6,
    cache_l1_entries: 3,
    cache_l1_bytes: 42,
    cache_l1_max_bytes: 100,
    cache_l2_entries: 0,
    http_response_bytes_total: 5,
    'http_responses_total{class="2xx"}': 4,
    'http_responses_total{class="4xx"}': 1,
    'purge_requests_total{method="url",result="success"}': 0,
    'http_request_ttfb_seconds_bucket{le="0.0001"}': 0,
    'http_request_ttfb_seconds_bucket{le="0.00025"}': 1,
    'http_request_ttfb_seconds_bucket{le="+Inf"}': 1,
    http_request_ttfb_seconds_count: 1,
    http_request_ttfb_seconds_sum: 0.0002,
  })
})

t.test('a second scrape does not count twice', async (t) => {
  const counters = createCounters()
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  fastify.decorate('sliceProxy', proxyWith(counters))
  await fastify.register(metrics, {})
  counters.misses = 1
  await fastify.inject('/metrics')
  counters.misses = 2
  t.equal(parse((await fastify.inject('/metrics')).body).values.cache_misses_total, 2)
})

t.test('without a proxy beside it, and registered before it, it works too', async (t) => {
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(metrics, {})
  const counters = createCounters()
  counters.misses = 7
  fastify.decorate('sliceProxy', proxyWith(counters))
  t.equal(parse((await fastify.inject('/metrics')).body).values.cache_misses_total, 7)
})

t.test('two services in one process do not share figures', async (t) => {
  const one = createCounters()
  one.misses = 1
  const [first, second] = await Promise.all([scrapeOf(one), scrapeOf()])
  t.same([first.values.cache_misses_total, second.values.cache_misses_total], [1, 0])
})

t.test('on an address of its own it answers GET /metrics and nothing else', async (t) => {
  const [port] = await freePorts(1)
  const fastify = Fastify()
  t.teardown(() => fastify.close())
  await fastify.register(metrics, { address: `127.0.0.1:${port}` })
  await fastify.ready()
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
  t.match(parse(await response.text()).types, { cache_hit_rate: 'gauge' })
  t.equal((await fetch(`http://127.0.0.1:${port}/other`)).status, 404)
  t.equal((await fastify.inject('/metrics')).statusCode, 404)

  const second = Fastify()
  t.teardown(() => second.close())
  await second.register(metrics, { address: `127.0.0.1:${port}` })
  await t.rejects(async () => second.ready(), { code: 'EADDRINUSE', message: /^metrics endpoint / })
})
