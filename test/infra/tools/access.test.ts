import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { beforeEach, expect, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { letGo, letRead, type Reader } from '../../../infra/tools/access.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { requires } from '../../services/requires.ts'

requires(
  'root',
  'setfacl',
  'getfacl',
  'setpriv',
)('letting another user read', () => {
  let place: string
  let file: string
  let notes: string
  const reader = (token: string): Reader => ({ host: localHost(), owner: '65534:65534', notes, token })
  const rights = async () => (await execa('getfacl', ['-Rn', join(place, 'root')], { cwd: place })).stdout
  const reads = async () =>
    (await execa('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'cat', file], { reject: false })).stdout

  beforeEach(async () => {
    place = await temporaryDirectory()
    file = join(place, 'root', 'day', 'disk')
    notes = join(place, 'notes')
    await mkdir(join(place, 'root', 'day'), { recursive: true, mode: 0o700 })
    await writeFile(file, 'data', { mode: 0o600 })
  })

  test('it may read, and afterwards everything is as it was', async () => {
    const before = await rights()
    expect(await reads()).toBe('')
    await letRead(reader('a'), [file])
    await letRead(reader('a'), [file])
    expect(await reads()).toBe('data')
    await letGo(reader('a'))
    expect(await rights()).toBe(before)
    await letGo(reader('a'))
  })

  test('access lists of others are back as they were', async () => {
    await execa('setfacl', ['-m', 'u:1234:rx', join(place, 'root')])
    const before = await rights()
    await letRead(reader('a'), [file])
    await letGo(reader('a'))
    expect(await rights()).toBe(before)
  })

  test('of two who let the same user in, the last one to go takes it back', async () => {
    const before = await rights()
    await letRead(reader('a'), [file])
    await letRead(reader('b'), [file])
    await letGo(reader('a'))
    expect(await reads()).toBe('data')
    await letGo(reader('b'))
    expect(await rights()).toBe(before)
  })

  test('what is gone meanwhile does not matter', async () => {
    await letRead(reader('a'), [file])
    await rm(join(place, 'root'), { recursive: true })
    await letGo(reader('a'))
  })
})
