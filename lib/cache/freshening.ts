import type { Policy } from '../semantics/policy.ts'
import { storable } from '../semantics/storable.ts'
import type { FieldList, Head } from '../semantics/types.ts'
import type { Context } from './context.ts'
import type { Resource } from './resource.ts'

/**
 * Keeps a stored head as the origin has just renewed it, or forgets it where the renewed one may not be kept.
 *
 * @param epoch of the resource when the origin was asked: a purge since then has the last word
 * @returns false when the renewed head is for the asking client alone
 */
export function keepFreshened(
  { resources, caching, bans }: Context,
  resource: Resource,
  epoch: number,
  request: FieldList,
  stored: Head,
  freshened: Head,
  policy: Policy,
): boolean {
  const isCurrent = resource.heads?.some((known) => known.generation === stored.generation)
  if (resource.epoch !== epoch || !isCurrent || !bans.mayKeep(freshened)) return false
  // What is stored came by GET, though it may be HEAD that has renewed it.
  const verdict = storable({ method: 'GET', fields: request }, freshened, policy, caching)
  if (verdict.store) resources.publish(resource, freshened, true)
  // What only this request forbids (Authorization, no-store) takes nothing from the others.
  else if (!verdict.byRequest) resources.forget(resource, stored)
  return verdict.store
}
