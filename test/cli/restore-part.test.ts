/** Restores of a virtual machine by the command, as far as they need no libvirt. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { megabytes, storedChain } from '../infra/sources/vm/stored.ts'
import { requires } from '../services/requires.ts'
import { makePlace, type Place } from './holdfast.ts'

requires('qemu-img', 'qemu-io')('restore of a part, from a directory alone', () => {
  let place: Place

  beforeAll(async () => {
    place = await makePlace()
    await storedChain(join(place.path, 'nas', 'here'))
  })
  afterAll(() => place.remove())

  const restore = (...more: string[]) => place.holdfast(['restore', 'zeus', '--from', 'nas', ...more])

  test('says what it will do, and asks', async () => {
    const { exitCode, stdout, stderr } = await restore()
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('--yes') })
    expect(stdout).toContain('  to       zeus\n')
    expect(stdout).toContain('  stop     it is shut down, and started again on what is restored')
    expect(stdout).not.toContain('service')
  })

  test('a disk comes out of the chain, to a path that counts from here', async () => {
    const { exitCode, stdout } = await restore('--part', 'vda', '--to', 'out.qcow2', '--yes')
    const to = join(place.path, 'out.qcow2')
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringMatching(new RegExp(`→  ${to}  restored`)) })
    expect(stdout).toContain('  part     vda alone')
    expect(await megabytes(to)).toEqual([1, 2, 3, 0, 0, 0, 0, 0])
  })

  test.each([
    [['--part', 'vdb'], 'There is: vda, xml.'],
    [['--to', './somewhere'], 'restored to another name'],
    [['--to', '--yes'], 'another name'],
  ])('%j is refused with what there is', async (more, hint) => {
    const { exitCode, stderr } = await restore(...more, '--yes')
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining(hint) })
  })
})
