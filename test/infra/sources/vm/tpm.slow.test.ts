/** A guest with an emulated TPM: what that keeps is in the backup, and comes back as swtpm needs it. */
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { undefine } from '../../../../infra/sources/vm/define.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { guestNamed } from '../../../services/guest.ts'
import { MB } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { restore } from './restoring.ts'
import { detailsOf, openScene, type Scene, type Verified } from './scene.ts'

const STORE = '/var/lib/libvirt/swtpm'
const FILE = 'tpm2/tpm2-00.permall'
/** As libvirt makes it: all may pass the upper directory, and the lower one is of swtpm's user. */
const RIGHTS = ['root:root 711', 'tss:tss 700', 'tss:tss 600']

requires(
  'libvirt',
  'swtpm',
  'swtpm_setup',
)('the TPM of a guest', () => {
  let place: Directory
  let scene: Scene
  let live: Verified
  const used = new Set<string>()

  beforeAll(async () => {
    place = await makeDirectory()
    await chmod(place.path, 0o711)
    const devices = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    const guests = [{ name: 'zeus', disks: [{ size: 32 * MB }], devices }]
    scene = await openScene({ user: 'libvirt-qemu', tpm: true, directory: place.path, guests })
    used.add(scene.guest.uuid)
    live = await scene.backUp()
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
    const left = (await readdir(STORE)).filter(name => [...used].some(uuid => name.startsWith(uuid)))
    for (const name of left) await rm(join(STORE, name), { recursive: true })
  })

  const state = (uuid = scene.guest.uuid) => join(STORE, uuid, FILE)
  const kept = async ({ directory }: Verified) => {
    const argv = ['-xzOf', join(directory, 'zeus_tpm.tar.gz'), `${scene.guest.uuid}/${FILE}`]
    return Buffer.from((await execa('tar', argv, { encoding: 'buffer' })).stdout)
  }
  const rights = async (uuid = scene.guest.uuid) => {
    const argv = ['-c', '%U:%G %a', uuid, `${uuid}/tpm2`, `${uuid}/${FILE}`]
    return (await execa('stat', argv, { cwd: STORE })).stdout.split('\n')
  }
  const uuidOf = async (name: string) => {
    const uuid = await scene.libvirt.virsh('domuuid', name)
    used.add(uuid)
    return uuid
  }
  const spoil = () => writeFile(state(), 'no TPM would start with this')
  const follow = async ({ directory }: Verified, title: string, env: Record<string, string> = {}) => {
    const text = await readFile(join(directory, 'RESTORE.md'), 'utf8')
    const section = text.split(/^## /m).find(part => part.startsWith(title)) ?? ''
    await execa('bash', ['-c', /```bash\n(.*?)```/s.exec(section)?.[1] ?? 'exit 1'], { cwd: directory, env })
  }
  /** A copy has the state that was kept, as its own. */
  const expectCopy = async (name: string) => {
    const uuid = await uuidOf(name)
    expect(uuid).not.toBe(scene.guest.uuid)
    expect(await readFile(state(uuid))).toEqual(await kept(live))
    expect(await rights(uuid)).toEqual(RIGHTS)
  }

  test('of one that runs is in the backup, and nothing has to be said', async () => {
    const source = join(STORE, scene.guest.uuid)
    expect(await detailsOf(live)).toMatchObject({ method: 'incremental', tpm: { artifact: 'zeus_tpm.tar.gz', source } })
    expect(live.warnings).toMatchObject({ count: 0 })
    expect(await kept(live)).toEqual(await readFile(state()))
  })

  test('goes with a copy, under its UUID', async () => {
    const { targets } = await restore(scene.house, live.id, { to: 'zeus-copy' })
    expect(targets).toContain(join(STORE, await uuidOf('zeus-copy')))
    await expectCopy('zeus-copy')
    const copy = guestNamed(scene.libvirt, 'zeus-copy')
    await copy.start()
    await copy.destroy()
    expect(await readFile(state(await uuidOf('zeus-copy'))), 'its TPM began with it').not.toEqual(await kept(live))
  }, 30_000)

  test('goes with a copy that is made by hand', async () => {
    await follow(live, 'Restore under another name', { name: 'zeus-two' })
    await rm('/var/tmp/zeus-two.xml')
    await expectCopy('zeus-two')
  }, 30_000)

  test('stays where a restore takes back a definition that was not there before', async () => {
    await undefine(guestOf('zeus-two'), { keepTpm: true })
    await undefine(guestOf('zeus-copy'))
    const [copy, two] = [...used].slice(1)
    expect(await readdir(STORE)).toContain(two)
    expect(await readdir(STORE)).not.toContain(copy)
  })

  test('comes back in place, and the guest starts with it', async () => {
    await scene.guest.destroy()
    await spoil()
    await expect(scene.guest.start()).rejects.toThrow()
    const { checks, aside } = await restore(scene.house, live.id)
    expect(checks.at(-1)?.result).toMatch(/^its agent answered/)
    expect(aside).toEqual([])
    expect(await rights()).toEqual(RIGHTS)
  }, 60_000)

  test('of one that is shut down for the backup is in it too', async () => {
    const offline = await scene.backUp({ mode: 'offline' })
    expect(await detailsOf(offline)).toMatchObject({ mode: 'offline', tpm: { artifact: 'zeus_tpm.tar.gz' } })
    expect((await kept(offline)).length).toBeGreaterThan(1000)
    await scene.guest.waitForAgent()
  }, 60_000)

  test('of one that is off comes back to the byte, by Holdfast and by hand', async () => {
    await scene.guest.shutdown()
    const closed = await scene.backUp()
    const before = await readFile(state())
    expect(await kept(closed)).toEqual(before)
    await spoil()
    await restore(scene.house, closed.id)
    expect(await readFile(state())).toEqual(before)
    await spoil()
    await follow(closed, 'Restore in place')
    expect(await scene.guest.state()).toBe('running')
    expect(await rights()).toEqual(RIGHTS)
    expect(await readFile(join(STORE, `${scene.guest.uuid}.before-restore`, FILE), 'utf8')).toMatch(/^no TPM/)
  }, 60_000)

  test('that is not where it should be is missed aloud', async () => {
    await scene.guest.destroy()
    await rm(join(STORE, scene.guest.uuid), { recursive: true })
    const without = await scene.backUp()
    expect(without.warnings.first).toEqual([
      expect.stringMatching(/the state of its TPM \(.*\) is not in the backup.*: there is none/),
    ])
    expect((await detailsOf(without)).tpm).toBeNull()
  }, 30_000)

  function guestOf(domain: string) {
    const signal = new AbortController().signal
    return { host: scene.house.tools.host('local'), uri: scene.libvirt.uri, domain, signal }
  }
})
