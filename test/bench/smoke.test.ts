import { testBenches } from './runs.ts'

testBenches({
  decide: ['16 variants'],
  ttfb: ['1 KiB | proxy, hit', '1 MiB | proxy, miss'],
  memory: ['again, from the cache'],
  connections: ['downloads of one object', 'none cached'],
})
