import type { Counters } from '../cache/counters.ts'
import type { SliceStore, StoreStats } from '../stores/store.ts'
import { type ClientSources, clientFamilies } from './clients.ts'
import { type Family, readers } from './family.ts'
import { type PurgeSources, purgeFamilies } from './purges.ts'

/** Where the figures are read from, at the moment of a scrape. What is not registered has none. */
export interface Sources extends ClientSources, PurgeSources {
  l1: SliceStore | undefined
  l2: SliceStore | undefined
}

/** Everything the proxy tells of itself, except the histogram and what only a raw disk has. */
export function metricFamilies(sources: Sources): Family[] {
  return [
    ...cacheFamilies(sources),
    ...purgeFamilies(sources),
    ...requestFamilies(sources),
    ...clientFamilies(sources),
    ...originFamilies(sources),
    ...storeFamilies('l1', () => sources.l1?.stats()),
    ...storeFamilies('l2', () => sources.l2?.stats()),
  ]
}

/** Hits in percent of the responses that the cache decided; 0 before any. */
export function hitRate({ l1Hits, l2Hits, misses }: Pick<Counters, 'l1Hits' | 'l2Hits' | 'misses'>): number {
  const hits = l1Hits + l2Hits
  return hits === 0 ? 0 : (100 * hits) / (hits + misses)
}

function cacheFamilies(sources: Sources): Family[] {
  const { counter, gauge } = readers(() => sources.counters)
  return [
    gauge('cache_hit_rate', 'Hits in percent of hits and misses', hitRate),
    counter(
      'cache_l1_hits_total',
      'Responses that the stores had whole, the first slice in memory',
      (c) => c.l1Hits,
    ),
    counter(
      'cache_l2_hits_total',
      'Responses that the stores had whole, the first slice on disk',
      (c) => c.l2Hits,
    ),
    counter('cache_misses_total', 'Responses of which something came from the origin', (c) => c.misses),
    counter('cache_stale_total', 'Responses served stale', (c) => c.stale),
    counter('cache_revalidated_total', 'Stored responses made fresh again by a 304', (c) => c.revalidated),
    counter('cache_bypass_total', 'Requests that the cache took no part in', (c) => c.bypass),
    counter(
      'cache_coalesced_total',
      'Requests that waited for a transfer begun by another',
      (c) => c.coalesced,
    ),
    counter(
      'cache_uncacheable_total',
      'Keys whose answers proved not cacheable',
      (c) => c.uncacheableAnswers,
    ),
    counter(
      'cache_variants_dropped_total',
      'Stored variants that gave way because their key had too many',
      (c) => c.variantsDropped,
    ),
    counter('cache_slices_not_stored_total', 'Slices that no store took', (c) => c.slicesNotStored),
  ]
}

function requestFamilies(sources: Sources): Family[] {
  const { counter, gauge } = readers(() => sources.counters)
  return [
    counter('http_requests_total', 'Requests taken by the proxy', (c) => c.requests),
    gauge('http_requests_in_progress', 'Requests that are being answered', (c) => c.requestsNow),
    counter('http_response_bytes_total', 'Body bytes sent to clients', (c) => c.bytesToClients),
    {
      name: 'http_responses_total',
      help: 'Final responses by class of status',
      type: 'counter',
      labelNames: ['class'],
      read: () =>
        [1, 2, 3, 4, 5].map((n) => ({
          labels: { class: `${n}xx` },
          value: sources.counters?.responsesByClass[n] ?? 0,
        })),
    },
    counter(
      'http_aborted_responses_total',
      'Responses cut because they could not be completed',
      (c) => c.abortedResponses,
    ),
    counter(
      'http_client_aborts_total',
      'Clients that left before their response was complete',
      (c) => c.clientAborts,
    ),
    counter('bytes_from_origin_total', 'Body bytes received from the origin', (c) => c.bytesFromOrigin),
    counter('bytes_from_cache_total', 'Body bytes served from a store', (c) => c.bytesFromCache),
    counter('bytes_to_clients_total', 'Body bytes sent to clients', (c) => c.bytesToClients),
  ]
}

function originFamilies(sources: Sources): Family[] {
  const { counter, gauge } = readers(() => sources.counters)
  return [
    counter('subrequests_total', 'Upstream requests', (c) => c.subrequests),
    counter('subrequest_failures_total', 'Upstream requests that failed', (c) => c.subrequestFailures),
    counter('subrequest_retries_total', 'Upstream requests that were sent again', (c) => c.subrequestRetries),
    counter(
      'origin_healed_transfers_total',
      'Transfers begun again after a cut body',
      (c) => c.healedTransfers,
    ),
    counter(
      'origin_truncated_bodies_total',
      'Bodies that ended before their length',
      (c) => c.truncatedBodies,
    ),
    counter(
      'origin_identity_refusals_total',
      'Answers of another range, validator or length than asked',
      (c) => c.identityRefusals,
    ),
    counter(
      'fills_abandoned_total',
      'Transfers stopped because nobody wanted them any more',
      (c) => c.abandonedFills,
    ),
    gauge('fills_in_progress', 'Transfers from the origin under way', (c) => c.fillsNow),
    gauge(
      'origin_failures_in_a_row',
      'Failed upstream requests since the last one that was answered',
      (c) => c.originFailuresInARow,
    ),
  ]
}

function storeFamilies(tier: 'l1' | 'l2', stats: () => StoreStats | undefined): Family[] {
  const { counter, gauge } = readers(stats)
  const of = tier === 'l1' ? 'the memory tier' : 'the disk tier'
  return [
    gauge(`cache_${tier}_entries`, `Heads and slices in ${of}`, (s) => s.entries),
    gauge(`cache_${tier}_bytes`, `Bytes in ${of}`, (s) => s.bytes),
    gauge(`cache_${tier}_max_bytes`, `Most bytes that ${of} may hold`, (s) => s.maxBytes),
    gauge(`cache_${tier}_pending_bytes`, `Bytes that wait to be written to ${of}`, (s) => s.pendingBytes),
    counter(`cache_${tier}_store_operations_total`, `Entries put into ${of}`, (s) => s.stores),
    counter(`cache_${tier}_lookup_operations_total`, `Look-ups in ${of}`, (s) => s.lookups),
    counter(`cache_${tier}_lookup_hits_total`, `Look-ups in ${of} that found their entry`, (s) => s.hits),
    counter(`cache_${tier}_remove_operations_total`, `Entries removed from ${of}`, (s) => s.removes),
    counter(`cache_${tier}_evictions_total`, `Entries that ${of} gave up for room`, (s) => s.evictions),
    counter(`cache_${tier}_refused_total`, `Entries that ${of} did not take`, (s) => s.refused),
    counter(`cache_${tier}_read_bytes_total`, `Bytes read from ${of}`, (s) => s.readBytes),
    counter(`cache_${tier}_written_bytes_total`, `Bytes written to ${of}`, (s) => s.writtenBytes),
    counter(`cache_${tier}_read_errors_total`, `Failed reads of ${of}`, (s) => s.readErrors),
    counter(`cache_${tier}_write_errors_total`, `Failed writes to ${of}`, (s) => s.writeErrors),
    counter(`cache_${tier}_corrupt_total`, `Damaged entries found in ${of} and removed`, (s) => s.corrupt),
  ]
}
