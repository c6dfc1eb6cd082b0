import { setTimeout as wait } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import health from '../../plugins/health.ts'
import l1Cache from '../../plugins/l1-cache.ts'
import status from '../../plugins/status.ts'
import streamingProxy from '../../plugins/streaming-proxy.ts'
import { bytesOf } from '../helpers/bytes.ts'
import { connect } from '../helpers/client.ts'
import { startOrigin } from '../helpers/origin.ts'
import type { Scope } from '../helpers/scope.ts'
import { freePorts } from '../helpers/server.ts'
import { rawDiskFigures } from '../metrics/raw-disk-figures.ts'
import { openBrowser, openPage, withoutChromium } from './browser.ts'

const REGIONS = 5000
const file = bytesOf(1, 20_000)

/** A proxy with a health port, and a raw disk that is only said to be there. */
async function start(t: Scope) {
  const origin = await startOrigin(t, (request, exchange) =>
    request.target.startsWith('/fails') ? exchange.respond({ status: 503 }) : exchange.respondFile(file),
  )
  const [port] = await freePorts(1)
  const fastify = Fastify({ forceCloseConnections: true })
  t.teardown(() => fastify.close())
  await fastify.register(l1Cache, { maxBytes: 8 * 1024 * 1024 })
  const states = Uint8Array.from({ length: REGIONS / 2 }, (_, i) => (i === 800 ? 1 : i > 1500 ? 0 : 2))
  const live = states.map((state, i) => (state === 2 ? i % 256 : 0))
  const figures = rawDiskFigures({
    regions: REGIONS,
    cleanRegions: 1998,
    blockSize: 4096,
    liveBlocks: 75,
    deadBlocks: 25,
  })
  const map = () => ({ regions: REGIONS, regionsPerCell: 2, states, live })
  fastify.decorate('rawDisk', { figures: () => figures, map })
  await fastify.register(streamingProxy, { upstream: origin.url })
  await fastify.register(health, { address: `127.0.0.1:${port}` })
  await fastify.register(status, {})
  const url = await fastify.listen({ port: 0, host: '127.0.0.1' })
  return { origin, fastify, url, page: `http://127.0.0.1:${port}/` }
}

t.test('the page in a browser', { skip: withoutChromium, timeout: 400_000 }, async (t) => {
  const service = await start(t)
  const client = await connect(service.url)
  t.teardown(client.close)
  const HOSTILE = "/<script>document.title='hit'</script><img/src=x/onerror=document.title='hit'>"
  let serving = true
  const traffic = (async () => {
    while (serving) {
      for (let i = 0; i < 5; i++) await client.request('/often')
      await client.request(HOSTILE)
      await client.request(`/fails/<b>bold</b>?token=secret`)
      await wait(20)
    }
  })()
  t.teardown(async () => {
    serving = false
    await traffic
  })

  const browser = await openBrowser(t)
  const { page, errors, elsewhere } = await openPage(browser, service.page)
  const text = (selector: string) =>
    page
      .locator(selector)
      .allInnerTexts()
      .then((texts) => texts.join())
  /** Asked from outside: the page's policy lets nobody evaluate a text in it. */
  async function untilPage(condition: string): Promise<void> {
    const deadline = Date.now() + 60_000
    while (!(await page.evaluate(condition))) {
      if (Date.now() > deadline) throw new Error(`not within 60 s: ${condition}`)
      await wait(50)
    }
  }

  await t.test('figures appear, and change while there is traffic', async (t) => {
    await untilPage(`Number.parseFloat(document.querySelector('#requests-rate').textContent) > 0`)
    t.equal(await text('#health'), 'healthy')
    t.match(await text('#version'), /^\d+\.\d+\.\d+/)
    const before = await text('#requests-more')
    t.match(before, /^[\d,]+ in \d+ s/)
    await untilPage(`document.querySelector('#requests-more').textContent !== ${JSON.stringify(before)}`)
    t.match(await text('#hit-more'), /memory [\d.]+ %, disk 0 %/)
    t.ok(Number.parseFloat(await text('#ttfb')) > 0)
    // Two samples make a line.
    await untilPage(`document.querySelectorAll('#chart-requests path.series').length === 2`)
    await untilPage(`/L/.test(document.querySelector('#chart-requests path.series').getAttribute('d'))`)
    for (const chart of ['requests', 'hits', 'bytes', 'ttfb']) {
      const label = await page.locator(`#chart-${chart} svg`).getAttribute('aria-label')
      t.match(label, /^[A-Z][a-z ]+: .+ /, `${chart} says in words: ${label}`)
    }
    t.match(await text('#stores'), /Memory[\s\S]*of 8 MiB/)
  })

  await t.test('what clients and the origin send is text', async (t) => {
    await untilPage(
      `document.querySelectorAll('#hot tr').length >= 2 && /fails/.test(document.querySelector('#problems').textContent)`,
    )
    t.match(await text('#hot tr:first-child'), /\/often$/)
    t.ok((await text('#hot')).includes(HOSTILE), 'the hostile path is shown as it is')
    t.match(await text('#problems'), /answered 503\s+http:\/\/127\.0\.0\.1:\d+\/fails\/<b>bold<\/b>$/m)
    t.equal(await page.locator('main script, main img, main b:not(dd b, figure b)').count(), 0)
    t.equal(await page.title(), 'slicestream')
  })

  await t.test('thousands of regions are squares in their colours', async (t) => {
    t.match(
      await text('#disk-text'),
      /^5,000 regions, 1,998 of them clean; 2 regions to a square\. .* 75 % of what is written is live\.$/,
    )
    const map = page.locator('#disk-map')
    const { width, height } = (await map.boundingBox())!
    t.ok(height > 50 && height < 300, `${width} x ${height}`)
    const colours = (await page.evaluate(`(() => {
      const canvas = document.querySelector('#disk-map')
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      const seen = new Set()
      for (let i = 0; i < data.length; i += 4) if (data[i + 3]) seen.add(data[i] * 65536 + data[i + 1] * 256 + data[i + 2])
      return [...seen]
    })()`)) as number[]
    t.ok(colours.includes(0xd29400), 'the open one')
    t.ok(colours.length > 100, `${colours.length} shades of live shares`)
    await map.hover({ position: { x: 2, y: 2 } })
    t.match(await text('#disk-cell'), /^regions 0 to 1: sealed, 0 % live$/)
  })

  await t.test('another range, and a pause', async (t) => {
    await page.getByText('24 h', { exact: true }).click()
    await untilPage(`/−18 h/.test(document.querySelector('#chart-requests').textContent)`)
    await page.getByText('5 min', { exact: true }).click()
    await untilPage(`/−1 min/.test(document.querySelector('#chart-requests').textContent)`)
    await page.getByRole('button', { name: 'Pause' }).click()
    let asked = 0
    page.on('request', () => asked++)
    const shown = await text('#requests-more')
    const { requests } = service.fastify.sliceProxy!.counters
    await wait(2500)
    t.ok(service.fastify.sliceProxy!.counters.requests > requests, 'traffic went on')
    t.equal(await text('#requests-more'), shown)
    t.ok(asked <= 1, 'at most the answer that was under way')
    await page.getByRole('button', { name: 'Go on' }).click()
    await untilPage(`document.querySelector('#requests-more').textContent !== ${JSON.stringify(shown)}`)
  })

  await t.test('it reads well on a phone: nothing is wider than the screen', async (t) => {
    for (const width of [360, 800]) {
      await page.setViewportSize({ width, height: 700 })
      t.ok(((await page.evaluate('document.documentElement.scrollWidth')) as number) <= width)
    }
  })

  t.same(errors, [])
  t.same(elsewhere, [], 'no request to anywhere else')

  await t.test('a server that does not answer any more is told', async (t) => {
    serving = false
    await traffic
    await service.fastify.close()
    await page.locator('#notice').waitFor({ state: 'visible', timeout: 60_000 })
    t.match(await text('#notice'), /^No answer since \d\d:\d\d:\d\d/)
  })
})
