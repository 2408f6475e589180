/** Forgets the checkpoints of a source after its disks became others: what changed since is known to nobody. */
import { describeDomain } from '../../tools/domain-xml.ts'
import { ask, askUnless, type Guest, xmlOf } from '../../tools/guest.ts'
import { imageInfo, removeBitmap } from '../../tools/qemu-img.ts'
import { isOurs } from './checkpoints.ts'

/** Those of others stay. */
export async function dropCheckpoints(guest: Guest, source: string): Promise<void> {
  const names = (await ask(guest, 'checkpoint-list', '--name', '--topological')).split('\n').map(name => name.trim())
  // Children first: libvirt merges a bitmap into its parent's.
  for (const name of names.filter(name => isOurs(name, source)).toReversed()) {
    const named = `--checkpointname=${name}`
    // With its bitmaps where they are there; where not, or while the guest is off, libvirt can only forget it.
    if ((await askUnless(guest, /^error: /m, 'checkpoint-delete', named)) === undefined)
      await askUnless(guest, /no domain checkpoint with matching name/, 'checkpoint-delete', named, '--metadata')
  }
}

/** After all disks were replaced: the snapshots that lay inside them are no more. Says which of others libvirt still lists. */
export async function forgetSnapshots(guest: Guest, source: string): Promise<string[]> {
  const names = (await ask(guest, 'snapshot-list', '--name')).split('\n').map(name => name.trim())
  for (const name of names.filter(name => isOurs(name, source)))
    await askUnless(guest, /no domain snapshot with matching name/, 'snapshot-delete', `--snapshotname=${name}`, '--metadata')
  return names.filter(name => name !== '' && !isOurs(name, source))
}

/** Of a guest that is off: what its checkpoints left in its images. */
export async function dropBitmaps(guest: Guest, source: string): Promise<void> {
  const { disks } = describeDomain(await xmlOf(guest, { inactive: true }))
  for (const { source: path, format } of disks) {
    if (path === undefined || format !== 'qcow2' || !(await guest.host.stat(path))) continue
    const { bitmaps } = await imageInfo(guest.host, path)
    for (const { name } of bitmaps) if (isOurs(name, source)) await removeBitmap(guest.host, path, name)
  }
}
