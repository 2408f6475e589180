import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, integer, property } from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { stateBelow } from '../../../../infra/recover.ts'
import { availableMemory, memoryNeeded, requireMemory } from '../../../../infra/sources/vm/memory.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { temporaryDirectory } from '../../../services/directory.ts'
import { events, openHouse } from '../../../services/house.ts'
import { requires } from '../../../services/requires.ts'
import { MB, resealed, storedChain } from './stored.ts'

test('what is available is read from the kernel, and one that does not say is not believed', () => {
  expect(availableMemory('MemTotal:  4000 kB\nMemFree:   1 kB\nMemAvailable:    2000 kB\nBuffers: 7 kB\n')).toBe(2_048_000)
  expect(() => availableMemory('MemTotal: 4000 kB\n')).toThrow('does not say')
})

test('a reserve of half a gigabyte, and more for a large guest, is never given away', () => {
  expect(memoryNeeded(256 * MB)).toEqual({ bytes: 768 * MB, reserve: 512 * MB })
  expect(memoryNeeded(64_000 * MB)).toEqual({ bytes: 67_200 * MB, reserve: 3200 * MB })
  assert(
    property(integer({ min: 0, max: 2 ** 45 }), integer({ min: 0, max: 2 ** 30 }), (memory, more) => {
      const { bytes, reserve } = memoryNeeded(memory)
      expect(bytes - memory).toBe(reserve)
      expect(reserve).toBeGreaterThanOrEqual(512 * MB)
      expect(memoryNeeded(memory + more).bytes).toBeGreaterThanOrEqual(bytes)
    }),
  )
})

test('no host has the memory for a guest of a petabyte', async () => {
  await expect(requireMemory(localHost(), 'zeus', { memory: 2 ** 40 })).rejects.toMatchObject({
    message: expect.stringMatching(/^zeus was not tried: its guest needs 1\.13 PB .* and local has \S+ [GM]B available$/),
    retryable: false,
  })
})

requires(
  'nats-server',
  'qemu-img',
  'qemu-io',
)('a drill of a guest larger than its host', () => {
  test('is not begun, says so at once, and is no proof against the backup', async () => {
    const directory = await temporaryDirectory()
    const uri = 'qemu+unix:///system?socket=/nowhere/libvirt-sock'
    const house = await openHouse({ directory, sources: { zeus: { kind: 'vm', options: Options.parse({ uri }) } } })
    onTestFinished(() => house.stop())
    const [full] = await storedChain(house.root)
    const xml = join(full.directory, 'zeus.xml')
    await writeFile(xml, (await readFile(xml, 'utf8')).replace('>262144<', `>${2 ** 40}<`))
    await resealed(full)
    await house.cell.connection.flush()
    const { id } = full.manifest
    await house.cell.connection.request('backup.drill', JSON.stringify({ id }), { timeout: 20_000 })
    const [failed] = await house.hears(events.drill.failed)
    expect(failed).toMatchObject({
      ...{ id, attempts: 1 },
      error: { message: expect.stringContaining('was not tried'), hint: expect.stringContaining('nothing about the backup') },
    })
    expect(await readdir(full.directory)).not.toContain('drills')
    expect(await readdir(stateBelow(house.root))).toEqual([])
  })
})
