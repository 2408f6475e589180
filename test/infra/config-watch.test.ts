import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Configuration, type Watch, watchConfiguration } from '../../infra/config.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { kinds, whole } from './config-kinds.ts'

let directory: string
let file: string
let watch: Watch
let seen: (Configuration | Error)[]
let wake: () => void

beforeEach(async () => {
  directory = await temporaryDirectory()
  file = join(directory, 'holdfast.yaml')
  await writeFile(file, whole)
  seen = []
  wake = () => {}
  const note = (what: unknown) => {
    seen.push(what instanceof Error ? what : read(what))
    wake()
  }
  watch = watchConfiguration(file, { kinds, env: {}, onChange: note, onProblem: note })
})
afterEach(() => watch.close())

function read(what: unknown): Configuration {
  if (typeof what === 'object' && what !== null && 'sources' in what) return what as Configuration
  throw new Error('neither a configuration nor an error')
}

/** The next thing that was noticed. */
async function next(): Promise<Configuration | Error> {
  while (seen.length === 0) await new Promise<void>(resolve => (wake = resolve))
  return seen.shift() ?? new Error('nothing')
}

test('a changed file is read again', async () => {
  await writeFile(file, whole.replaceAll('docs', 'papers'))
  expect(await next()).toMatchObject({ sources: { papers: {} } })
})

test('so is one that an editor puts in its place, again and again', async () => {
  for (const name of ['one', 'two']) {
    await writeFile(join(directory, '.holdfast.yaml.swp'), whole.replaceAll('docs', name))
    await rename(join(directory, '.holdfast.yaml.swp'), file)
    expect(await next()).toMatchObject({ sources: { [name]: {} } })
  }
})

test('an invalid one is refused aloud, and the next valid one taken', async () => {
  await writeFile(file, whole.replace('plan: nightly', 'plan: weekly'))
  expect(await next()).toMatchObject({ name: 'ConfigurationInvalid', message: expect.stringContaining('unknown plan') })
  await rm(file)
  expect(await next()).toMatchObject({ name: 'ConfigurationInvalid', message: expect.stringContaining('no such file') })
  await writeFile(file, whole)
  expect(await next()).toMatchObject({ sources: { docs: {} } })
})

test('a reload reads what did not change, and nothing else does', async () => {
  await writeFile(join(directory, 'other.yaml'), 'x')
  await watch.reload()
  expect(await next()).toMatchObject({ sources: { docs: {} } })
  expect(seen).toEqual([])
})
