import Fastify from 'fastify'
import t from 'tap'
import l1Cache from '../../plugins/l1-cache.ts'
import routeCache from '../../plugins/route-cache.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'

// route-cache took whatever it was given.
t.test('a slice size that is none is refused with its name, its value and what is allowed', async (t) => {
  const plugins = {
    'streaming-proxy': (sliceSize: number) => ({
      plugin: streamingProxy,
      options: { sliceSize, upstream: 'http://x' },
    }),
    'route-cache': (sliceSize: number) => ({ plugin: routeCache, options: { sliceSize } }),
  }
  for (const [name, of] of Object.entries(plugins)) {
    const register = async (sliceSize: number) => {
      const fastify = Fastify()
      t.teardown(() => fastify.close())
      await fastify.register(l1Cache, {})
      const { plugin, options } = of(sliceSize)
      await fastify.register(plugin as typeof streamingProxy, options as { upstream: string })
    }
    for (const size of [0, 65_535, 65_536.5, 16_777_217, Number.NaN]) {
      const message = `${name}: sliceSize ${size} is not a whole number of bytes from 65536 to 16777216`
      await t.rejects(register(size), { name: 'TypeError', message })
    }
    for (const size of [65_536, 16_777_216]) await t.resolves(register(size), `${name}: ${size}`)
  }
})
