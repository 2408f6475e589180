/** A guest with a disk that is encrypted: QEMU reads it for the backup, and what is restored takes its place in the clear. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Manifest } from '../../../../infra/manifest.ts'
import { Options } from '../../../../infra/sources/vm/options.ts'
import { vm } from '../../../../infra/sources/vm.ts'
import { describeDomain } from '../../../../infra/tools/domain-xml.ts'
import { guestNamed } from '../../../services/guest.ts'
import { MB, makeDisk } from '../../../services/guest-disks.ts'
import { requires } from '../../../services/requires.ts'
import { until } from '../../../services/until.ts'
import { runRestore } from './restore-process.ts'
import { restore } from './restoring.ts'
import { detailsOf, expectRecords, openScene, type Scene, type Verified } from './scene.ts'

const SECRET = '5d2f6c1e-8f0a-4a53-9d53-0a54c1d5b001'

requires('libvirt')('an encrypted disk', () => {
  let scene: Scene
  let disk: string
  let backup: Verified
  let synced: number

  beforeAll(async () => {
    scene = await openScene({
      guests: [{ name: 'zeus', disks: [{ size: 64 * MB }], agent: 'running' }],
      sources: { zeus: {}, closed: { domain: 'zeus', method: 'external' } },
    })
    await scene.guest.destroy()
    disk = await encryptedDisk(scene)
    await scene.guest.boot()
    synced = await scene.guest.moreRecords(3)
    backup = await scene.backUp()
  }, 90_000)
  afterAll(() => scene?.[Symbol.asyncDispose]())

  const encrypted = async (name: string) =>
    describeDomain(await scene.libvirt.virsh('dumpxml', name, '--inactive')).disks.map(({ encrypted }) => encrypted)

  test('is in the backup in the clear, which is said, with every record', async () => {
    expect(backup.warnings.first).toContain('vdb is encrypted, and its image in the backup is not')
    expect((await detailsOf(backup)).before?.encrypted).toEqual(['vdb'])
    await expectRecords(join(backup.directory, 'zeus_vdb.qcow2'), synced)
  })

  test('is a plain one of a copy, which QEMU opens', async () => {
    const { warnings } = await restore(scene.house, backup.id, { to: 'zeus-copy' })
    const file = join(scene.guest.directory, 'zeus-copy_vdb.qcow2')
    expect(warnings).toContain(`${file} is not encrypted, as vdb was when it was backed up`)
    expect(await encrypted('zeus-copy')).toEqual([false, false])
    await expectRecords(file, synced)
    await opens('zeus-copy')
  }, 30_000)

  test('runs at once from the backup, which is not encrypted', async () => {
    const place = join(scene.guest.directory, 'restores')
    const orders = {
      directory: backup.directory,
      state: place,
      token: 'now',
      uri: scene.libvirt.uri,
      to: 'zeus-now',
      instant: true,
    }
    const { checks } = await runRestore(orders)
    expect(checks.map(({ result }) => result).join()).toContain('its agent answered')
    const copy = guestNamed(scene.libvirt, 'zeus-now')
    expect((await copy.exec(['test', '-s', '/data/records'])).exitCode).toBe(0)
    await copy.destroy()
    await scene.libvirt.virsh('undefine', 'zeus-now')
  }, 60_000)

  test('is read in a drill', async () => {
    const { tools } = scene.house
    const manifest = Manifest.parse(JSON.parse(await readFile(join(backup.directory, 'manifest.json'), 'utf8')))
    const options = Options.parse({ uri: scene.libvirt.uri, drillCommand: ['test', '-s', '/data/records'] })
    const scratch = join(scene.guest.directory, 'drill-vm.one')
    const host = tools.host('local')
    await host.makeDirectory(scratch)
    const drilled = await vm.drill?.({
      ...{ host, source: 'zeus', id: backup.id, options, directory: backup.directory, manifest, token: 'one', scratch },
      ...{ signal: new AbortController().signal, progress: () => undefined, warn: () => undefined },
    })
    expect(drilled?.checks).toContainEqual({ name: 'test -s /data/records', result: 'exit code 0' })
  }, 60_000)

  test('is refused beforehand where closed disks would be copied', async () => {
    const failed = await scene.failToBackUp({ source: 'closed' })
    expect(JSON.stringify(failed.error)).toMatch(/vdb of it: encrypted, and with method: external nobody can read/)
    expect(await scene.libvirt.virsh('domblklist', 'zeus')).toContain(disk)
  }, 30_000)

  test('stays one in a definition that is restored alone', async () => {
    await restore(scene.house, backup.id, { part: 'xml' })
    expect(await encrypted('zeus')).toEqual([false, true])
  })

  test('takes its place in the clear, and the guest starts on it', async () => {
    const { checks } = await restore(scene.house, backup.id, { part: 'vdb' })
    expect(checks.at(-1)?.result).toMatch(/^its agent answered/)
    expect(await encrypted('zeus')).toEqual([false, false])
    const { stdout } = await execa('qemu-img', ['info', '-U', disk])
    expect(stdout).not.toContain('encrypted: yes')
    await restore(scene.house, backup.id, { part: 'xml' })
    expect(await encrypted('zeus'), 'a definition of before does not encrypt it again').toEqual([false, false])
  }, 60_000)

  async function opens(name: string): Promise<void> {
    await guestNamed(scene.libvirt, name).start('--paused')
    await guestNamed(scene.libvirt, name).destroy()
    await scene.libvirt.virsh('undefine', name)
  }
})

/** Makes one, tells libvirt what opens it, and puts it into the guest that is off. */
async function encryptedDisk({ libvirt, guest }: Scene): Promise<string> {
  const plain = await makeDisk(guest.directory, 'plain', 'vdb', { size: 32 * MB })
  const path = join(guest.directory, 'zeus-vdb.qcow2')
  const passphrase = join(guest.directory, 'passphrase')
  await writeFile(passphrase, 'open sesame', { mode: 0o600 })
  const options = 'encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10'
  const formats = ['-f', 'qcow2', '-O', 'qcow2', '-o', options]
  const argv = ['convert', '--object', `secret,id=key,file=${passphrase}`, ...formats, plain.path, path]
  // On a busy machine qemu-img may fail to measure how fast that is.
  await until('the disk is encrypted', async () => (await execa('qemu-img', argv)).exitCode === 0)
  await rm(plain.path)
  const define = async (verb: string[], name: string, xml: string) => {
    const file = join(guest.directory, name)
    await writeFile(file, xml)
    await libvirt.virsh(...verb, file)
  }
  const usage = `<usage type='volume'><volume>${path}</volume></usage>`
  await define(['secret-define'], 'secret.xml', `<secret ephemeral='no' private='yes'><uuid>${SECRET}</uuid>${usage}</secret>`)
  const encoded = join(guest.directory, 'passphrase.base64')
  await writeFile(encoded, (await readFile(passphrase)).toString('base64'), { mode: 0o600 })
  await libvirt.virsh('secret-set-value', SECRET, '--file', encoded)
  const encryption = `<encryption format='luks'><secret type='passphrase' uuid='${SECRET}'/></encryption>`
  await define(
    ['attach-device', '--config', guest.name],
    'vdb.xml',
    `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${path}'>${encryption}</source><target dev='vdb' bus='virtio'/></disk>`,
  )
  return path
}
