/** Restores that are cut off, on a host where QEMU works as a user of its own. */
import { chmod, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Host } from '../../../../infra/hosts/host.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { openScene, type Scene, type Verified } from './scene.ts'

requires('libvirt')('a restore that is cut off', () => {
  let place: Directory
  let scene: Scene
  let then: Verified
  let ownedBefore: Owned

  beforeAll(async () => {
    place = await makeDirectory()
    // QEMU's user has to pass.
    await chmod(place.path, 0o711)
    scene = await openScene({
      user: 'libvirt-qemu',
      directory: place.path,
      guests: [{ name: 'zeus', ignoresShutdown: true, disks: [{ size: 128 * MB }] }],
      sources: { zeus: { shutdownLimit: '1s' } },
    })
    await scene.guest.exec(['sh', '-c', 'echo then > /mnt/marker; sync'])
    then = await scene.backUp()
    await scene.guest.exec(['sh', '-c', 'echo since > /mnt/marker; sync'])
    await scene.guest.destroy()
    ownedBefore = await owned()
    await scene.guest.boot()
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
  })

  type Owned = { uid: number; gid: number; mode: number }[]

  /** Of the disk and of everything in the backup. */
  async function owned(): Promise<Owned> {
    const files = (await readdir(then.directory)).filter(name => name.startsWith('zeus')).map(name => join(then.directory, name))
    const all = [...scene.guest.disks.map(({ path }) => path), ...files]
    return Promise.all(all.map(async path => stat(path).then(({ uid, gid, mode }) => ({ uid, gid, mode }))))
  }

  async function marker(): Promise<string> {
    await scene.guest.waitForAgent()
    return (await scene.guest.exec(['cat', '/mnt/marker'])).stdout.trim()
  }

  test('before the definition, and before the start: said again it goes on, and the guest runs on what was restored', async () => {
    const asked = { token: 'cut' }
    for (const verb of ['define', 'start'])
      await expect(restore(scene.house, then.id, { ...asked, ...dying(scene, verb) })).rejects.toThrow(`killed at ${verb}`)
    expect(await scene.guest.state()).toBe('shut off')
    const { aside, checks } = await restore(scene.house, then.id, asked)
    expect({ aside, last: checks.at(-1)?.name }).toEqual({ aside: [], last: 'guest' })
    expect(await marker()).toBe('then')
    expect((await readdir(scene.guest.directory)).filter(name => /holdfast|before|failed/.test(name))).toEqual([])
    expect(await readdir(join(scene.house.root, '.restores'))).toEqual(['restore-cut.json'])
  }, 90_000)

  test('while the guest starts: the guest that came up is the one that counts', async () => {
    await scene.guest.exec(['sh', '-c', 'echo since > /mnt/marker; sync'])
    const cut = { token: 'late', ...dying(scene, 'qemu-agent-command') }
    await expect(restore(scene.house, then.id, cut)).rejects.toThrow('killed at qemu-agent-command')
    const pid = await scene.guest.qemuPid()
    await restore(scene.house, then.id, { token: 'late' })
    expect(await scene.guest.qemuPid(), 'it was not started twice').toBe(pid)
    expect(await marker()).toBe('then')
  }, 90_000)

  test('the disk and the backup belong to whom they did, with the modes that they had', async () => {
    await scene.guest.destroy()
    expect(await owned()).toEqual(ownedBefore)
  })
})

/** A host that is dead from the first virsh command of this name on. */
function dying({ house }: Scene, verb: string): { host: Host; signal: AbortSignal } {
  const host = house.tools.host('local')
  const death = new AbortController()
  const run: Host['run'] = async (argv, options) => {
    if (argv[0] === 'virsh' && argv.includes(verb)) death.abort(new Error(`killed at ${verb}`))
    death.signal.throwIfAborted()
    return await host.run(argv, options)
  }
  return { host: { ...host, run }, signal: death.signal }
}
