// node autocannon-child.ts LOAD (JSON): the load for machines without wrk. Prints what the script of put-load.ts prints.
import autocannon from 'autocannon'
import type { Load } from './load.ts'

const load: Load = JSON.parse(process.argv[2])
let made = 0
const started = process.hrtime.bigint()
const result = await autocannon({
  url: load.url,
  connections: load.connections,
  // In a fraction of a second not one large response may be whole: some requests then, however long they take.
  ...(load.seconds < 1 ? { amount: 2 * load.connections } : { duration: load.seconds }),
  timeout: 20,
  requests: load.requests.map(({ path, headers }) => ({
    method: 'GET',
    path,
    headers,
    ...(load.fresh !== undefined && {
      setupRequest: (request) => ({ ...request, path: `${path}?${load.fresh}-${++made}` }),
    }),
  })),
})
const microseconds = Number((process.hrtime.bigint() - started) / 1000n)
const answered = result['2xx']
console.log(`RESULT ${answered} ${microseconds} ${result.errors} ${result.non2xx} ${result.timeouts}`)
