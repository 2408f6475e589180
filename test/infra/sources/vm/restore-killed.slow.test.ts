/** Restores whose process is killed at every moment that counts, and asked for again: the guest ends on the backup, and nothing else has changed. */
import { existsSync } from 'node:fs'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { localHost } from '../../../../infra/hosts/local.ts'
import { stateBelow } from '../../../../infra/recover.ts'
import { halfRestored } from '../../../../infra/restore/journal.ts'
import { type Directory, makeDirectory } from '../../../services/directory.ts'
import { MB } from '../../../services/guest-disks.ts'
import { readRecords } from '../../../services/records.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { chainOf, digestsOf, rightsOf, type Stall, type Started, stallable, startAsTyped } from './cut.ts'
import { beginRestore, type Orders, runRestore } from './restore-process.ts'
import { openScene, type Scene, type Verified } from './scene.ts'
import type { Point } from './verbs.ts'

requires('libvirt')('a restore whose process is killed', () => {
  let place: Directory
  let scene: Scene
  let then: Verified
  /** Those of guests. */
  let starts: Stall
  let [digests, rights, owners] = ['', '', '']

  beforeAll(async () => {
    place = await makeDirectory()
    // QEMU's user has to pass.
    await chmod(place.path, 0o711)
    scene = await openScene({
      user: 'libvirt-qemu',
      directory: place.path,
      guests: [{ name: 'zeus', disks: [{ size: 256 * MB, filled: 64 * MB }, { size: 64 * MB }] }],
    })
    const { guest, libvirt } = scene
    const { path: emulator, ...stalled } = await stallable(libvirt)
    starts = stalled
    const xml = await readFile(guest.xml, 'utf8')
    await writeFile(guest.xml, xml.replace(/<emulator>.*<\/emulator>/, `<emulator>${emulator}</emulator>`))
    await libvirt.virsh('define', guest.xml)
    await scene.backUp()
    await guest.exec(['sh', '-c', 'echo then > /mnt/marker; sync'])
    then = await scene.backUp()
    await guest.shutdown()
    owners = await ownersOfDisks()
    digests = await digestsOf(then.directory)
    rights = await rightsOf(scene.house.root)
    await guest.boot()
  }, 120_000)
  afterAll(async () => {
    await scene?.[Symbol.asyncDispose]()
    await place?.remove()
  })

  const held = () => existsSync(join(then.directory, 'hold.json'))
  const disk = (index: number) => scene.guest.disks[index]?.path ?? ''
  const staged = (token: string, index: number) => disk(index).replace('/zeus-vd', `/.holdfast-${token}-zeus-vd`)
  const ordersFor = (token: string): Orders => {
    const { house, libvirt } = scene
    return { directory: then.directory, state: stateBelow(house.root), token, uri: libvirt.uri, instant: token === 'instant' }
  }
  const ownersOfDisks = async () =>
    JSON.stringify(
      await Promise.all(scene.guest.disks.map(({ path }) => stat(path).then(({ uid, gid, mode }) => [uid, gid, mode]))),
    )
  const marker = async () => {
    await scene.guest.waitForAgent()
    return (await scene.guest.exec(['cat', '/mnt/marker'])).stdout.trim()
  }
  const since = () => scene.guest.exec(['sh', '-c', 'echo since > /mnt/marker; sync'])

  /** Runs it once more, until it dies at the point. */
  async function cut(orders: Orders, point: Point, state: string) {
    const { signal, stderr } = await beginRestore(orders, point)
    const where = `${point.when} ${point.command}`
    expect(signal, `${where}: ${stderr}`).toBe('SIGKILL')
    await scene.guest.waitFor(state)
    expect(await digestsOf(then.directory), where).toBe(digests)
  }

  /** Of the next one nobody hears but that the guest is being started still. */
  async function cutAsItStarts(orders: Orders) {
    const { libvirt } = scene
    const before = join(orders.state, `scratch-${orders.token}`, 'before.json')
    await starts.hold()
    const first = beginRestore(orders)
    const starting = async () => (await libvirt.virsh('domstate', '--reason', 'zeus')) === 'paused (starting up)'
    await until('the guest is being started', starting)
    first.kill('SIGKILL')
    await first
    const noted = (await stat(before)).ino
    const second = cut(orders, { when: 'before', command: 'qemu-agent-command' }, 'running')
    await until('the next one has come to the start', async () => (await stat(before)).ino !== noted)
    await starts.letGo()
    await second
  }

  async function expectRestored(state: string) {
    const { guest, house, libvirt } = scene
    expect(await guest.state()).toBe('running')
    expect(await marker()).toBe('then')
    expect((await readdir(guest.directory)).filter(name => /holdfast|before|failed|between|partial/.test(name))).toEqual([])
    for (const { path } of guest.disks) expect(await chainOf(path)).toEqual([path])
    expect(await libvirt.virsh('dumpxml', '--inactive', 'zeus')).not.toContain(house.root)
    expect(await libvirt.virsh('checkpoint-list', '--name', 'zeus')).toBe('')
    expect(held()).toBe(false)
    expect(await digestsOf(then.directory)).toBe(digests)
    expect(await rightsOf(house.root)).toBe(rights)
    expect((await readdir(state)).filter(name => !/^restore-[\w-]+\.json$|^readers$/.test(name))).toEqual([])
    expect(await readdir(join(state, 'readers')).catch(() => [])).toEqual([])
  }

  test('in place: asked for again at each moment, it goes on to the next', async () => {
    const orders = ordersFor('plain')
    await since()
    await cut({ ...orders, instant: true }, { when: 'before', command: `write ${staged('plain', 1)}` }, 'running')
    expect(held()).toBe(true)
    await cut(orders, { when: 'before', command: `write ${staged('plain', 1)}` }, 'running')
    expect(held()).toBe(false)
    await cut(orders, { when: 'before', command: ' shutdown --domain=zeus' }, 'running')
    expect(await marker()).toBe('since')
    await cut(orders, { when: 'after', command: ' shutdown --domain=zeus' }, 'shut off')
    expect(await halfRestored(localHost(), orders.state, 'zeus')).toMatchObject({ token: 'plain' })
    await cut(orders, { when: 'after', command: `rename ${staged('plain', 0)}` }, 'shut off')
    await cut(orders, { when: 'before', command: ' define --file' }, 'shut off')
    await cut(orders, { when: 'before', command: ' start --domain=zeus' }, 'shut off')
    await cutAsItStarts(orders)
    await cut(orders, { when: 'before', command: `remove ${disk(0)}.before-plain` }, 'running')
    const pid = await scene.guest.qemuPid()
    expect(await beginRestore(orders)).toMatchObject({ exitCode: 0 })
    await expectRestored(orders.state)
    expect(await scene.guest.qemuPid(), 'it was started once').toBe(pid)
  }, 120_000)

  test('instantly: the guest runs on, and the backup is held until the pull ends', async () => {
    const { guest, libvirt } = scene
    const orders = ordersFor('instant')
    await since()
    const holding = async (point: Point, state: string, how: Partial<Orders> = {}) => {
      await cut({ ...orders, ...how }, point, state)
      expect(held()).toBe(true)
    }
    await holding({ when: 'before', command: `write ${staged('instant', 1)}` }, 'running')
    await holding({ when: 'before', command: ' shutdown --domain=zeus' }, 'running')
    expect(await marker()).toBe('since')
    await holding({ when: 'after', command: `rename ${staged('instant', 0)}` }, 'shut off')
    await holding({ when: 'before', command: ' start --domain=zeus' }, 'shut off')
    await holding({ when: 'before', command: 'qemu-agent-command' }, 'running')
    await holding({ when: 'after', command: 'blockpull' }, 'running', { slow: true })
    const pid = await guest.qemuPid()
    expect(await marker()).toBe('then')
    expect(await chainOf(disk(0))).toContain(join(then.directory, 'zeus_vda.qcow2'))
    await libvirt.virsh('blockjob', 'zeus', 'vda', '--bandwidth', '0')
    await holding({ when: 'before', command: `write ${join(orders.state, 'restore-instant.json')}` }, 'running')
    await holding({ when: 'before', command: `remove ${join(then.directory, 'hold.json')}` }, 'running')
    expect(await beginRestore(orders)).toMatchObject({ exitCode: 0 })
    await expectRestored(orders.state)
    expect(await guest.qemuPid(), 'it was started once').toBe(pid)
  }, 120_000)

  test('instantly, and refused: nothing is held', async () => {
    await expect(runRestore({ ...ordersFor('instant'), token: 'refused', to: 'zeus' })).rejects.toThrow(
      'has a domain zeus already',
    )
    expect(held()).toBe(false)
  })

  test('by the command line, in the middle of the pull: the same command ends it', async () => {
    await since()
    const asked = ['restore', then.id, '--instant', '--yes', '--from', scene.house.root, '--state', join(place.path, 'state')]
    const typed: Started = { asked, directory: place.path }
    expect(await startAsTyped(typed, { dyingAfter: 'blockpull' })).toMatchObject({ signal: 'SIGKILL' })
    expect(await marker()).toBe('then')
    expect(held()).toBe(true)
    await scene.libvirt.virsh('blockjob', 'zeus', 'vda', '--bandwidth', '0')
    const { exitCode, stdout } = await startAsTyped(typed)
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining('nothing needs the backup any more') })
    await expectRestored(join(place.path, 'state', 'restores'))
  }, 120_000)

  test('the disks are whole, and belong to whom they did', async () => {
    const { last } = await readRecords(join(then.directory, 'zeus_vda.qcow2'))
    const synced = await scene.guest.moreRecords(1)
    await scene.guest.shutdown()
    for (const { path } of scene.guest.disks) {
      const records = await readRecords(path)
      expect(records, path).toMatchObject({ clean: true, faults: [] })
      expect(records.last).toBeGreaterThanOrEqual(synced)
    }
    expect(synced).toBeGreaterThan(last)
    expect(await ownersOfDisks()).toBe(owners)
    for (const { path } of scene.guest.disks) await execa('qemu-img', ['check', '-q', path])
  }, 60_000)
})
