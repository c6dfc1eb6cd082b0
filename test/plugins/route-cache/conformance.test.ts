// What the proxy's cache does by RFC 9111, the cache before routes does: the same tables, with a route in the origin's place.
// Not among them are tables about what is set otherwise here: guessed lifetimes, cookies, how many hops there are.
process.env.CONFORM = 'routes'
for (const table of ['age', 'head', 'methods', 'validation', 'vary', 'cache-control-parse']) {
  await import(`../../conformance/${table}.test.ts`)
}
