import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Host } from '../../../infra/hosts/host.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { waitForHealth } from '../../../infra/restore/health.ts'
import { temporaryDirectory } from '../../services/directory.ts'

const host = localHost()
const { signal } = new AbortController()

/** Answers each request with the status its path names; the path `/later` with 503 twice, then 204. */
async function server(): Promise<string> {
  let asked = 0
  const listening = createServer(({ url = '' }, response) => {
    response.statusCode = url === '/later' ? (++asked > 2 ? 204 : 503) : Number(url.slice(1))
    response.setHeader('location', '/200')
    response.end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void listening.close())
  await new Promise(resolve => listening.once('listening', resolve))
  const address = listening.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`
}

async function without(program: string): Promise<void> {
  const directory = await temporaryDirectory()
  const before = process.env.PATH ?? ''
  await mkdir(join(directory, 'bin'))
  for (const name of ['sh', 'env', 'true', 'false'])
    if (name !== program) await symlink(`/bin/${name}`, join(directory, 'bin', name))
  process.env.PATH = join(directory, 'bin')
  onTestFinished(() => {
    process.env.PATH = before
  })
}

test.each(['with curl', 'without curl'])('http is well once it answers 2xx, %s', async how => {
  if (how === 'without curl') await without('curl')
  const url = await server()
  expect(await waitForHealth(host, { http: `${url}/later`, command: undefined, within: 20_000 }, signal)).toMatchObject({
    name: 'health',
    result: expect.stringContaining('/later: well after'),
  })
  for (const status of [302, 404, 500]) {
    const refused = waitForHealth(host, { http: `${url}/${status}`, command: undefined, within: 490 }, signal)
    await expect(refused).rejects.toMatchObject({
      message: expect.stringMatching(new RegExp(`not well within 490ms: HTTP ${status}`)),
    })
  }
})

test.each(['with curl', 'without curl'])(
  'what an address holds of secrets reaches the service and nobody else, %s',
  async how => {
    if (how === 'without curl') await without('curl')
    const heard: string[] = []
    const listening = createServer(({ url = '', headers }, response) => {
      heard.push(`${headers.authorization} ${url}`)
      response.statusCode = url.startsWith('/well') ? 200 : 500
      response.end()
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void listening.close())
    await new Promise(resolve => listening.once('listening', resolve))
    const address = listening.address()
    const port = typeof address === 'object' ? address?.port : 0
    const argvs: string[] = []
    const run: Host['run'] = (argv, options) => {
      argvs.push(argv.join(' '))
      return host.run(argv, options)
    }
    const watched = { ...host, run }
    const asked = (path: string) => ({
      http: `http://ada:PW%22@127.0.0.1:${port}${path}?key=PW`,
      command: undefined,
      within: 490,
    })
    const check = await waitForHealth(watched, asked('/well'), signal)
    expect(check.result).toContain(`http://127.0.0.1:${port}/well?…: well after`)
    expect(heard).toEqual([`Basic ${Buffer.from('ada:PW"').toString('base64')} /well?key=PW`])
    const failed = await waitForHealth(watched, asked('/ill'), signal).catch(String)
    expect(failed).toContain('HTTP 500')
    expect([failed, check.result, ...argvs].filter(text => String(text).includes('PW'))).toEqual([])
  },
)

test('nobody listening is not well', async () => {
  const refused = waitForHealth(host, { http: 'http://127.0.0.1:1/', command: undefined, within: 700 }, signal)
  await expect(refused).rejects.toThrow(/127\.0\.0\.1:1\/ was not well within 700ms/)
})

test('a command is asked until it succeeds, and its complaint is told', async () => {
  const file = join(await temporaryDirectory(), 'ready')
  const health = { http: undefined, command: ['ls', file] satisfies [string, string], within: 20_000 }
  setTimeout(() => void writeFile(file, ''), 300)
  await waitForHealth(host, health, signal)
  await expect(waitForHealth(host, { ...health, command: ['ls', `${file}2`], within: 400 }, signal)).rejects.toThrow(
    /No such file/,
  )
})

test('an abort ends the waiting', async () => {
  const abort = new AbortController()
  setTimeout(() => abort.abort(new Error('enough')), 100)
  const waiting = waitForHealth(host, { http: undefined, command: ['false'], within: 60_000 }, abort.signal)
  await expect(waiting).rejects.toThrow(/enough|aborted/)
})
