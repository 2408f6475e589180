/** Backup jobs of a guest, slowed so far that a test can look at one that runs. */
import { z } from 'zod'
import type { Host } from '../../../../infra/hosts/host.ts'
import { localHost } from '../../../../infra/hosts/local.ts'
import type { Guest } from '../../../services/guest.ts'
import type { Libvirt } from '../../../services/libvirt.ts'

export interface Jobs {
  /** A host on which a backup job takes for ever: it is slowed in the moment in which it begins. */
  slow(): Promise<Host>
  letGo(): Promise<void>
  running(): Promise<boolean>
  /** One runs, and does not end by itself. */
  slowed(): Promise<boolean>
  /** Names, one a line. */
  checkpoints(): Promise<string>
}

const Blocks = z.array(z.object({ inserted: z.object({ file: z.string(), 'node-name': z.string() }).optional() }))
const Running = z.array(z.object({ device: z.string(), speed: z.number() }))

/** Of the guest's last disk, which has to hold enough for a moment's work. */
export function jobsOf({ virsh }: Libvirt, { name, disks }: Guest): Jobs {
  const monitor = async (command: string, given: object = {}): Promise<unknown> =>
    JSON.parse(await virsh('qemu-monitor-command', name, JSON.stringify({ execute: command, arguments: given }))).return
  return {
    async slow() {
      const last = disks.at(-1)
      const blocks = Blocks.parse(await monitor('query-block'))
      const node = blocks.find(({ inserted }) => inserted?.file === last?.path)?.inserted?.['node-name']
      const device = `backup-${last?.target}-${node}`
      return slowed(name, JSON.stringify({ execute: 'block-job-set-speed', arguments: { device, speed: 1 } }))
    },
    async letGo() {
      for (const { device } of Running.parse(await monitor('query-block-jobs')))
        await monitor('block-job-set-speed', { device, speed: 0 })
    },
    running: () =>
      virsh('backup-dumpxml', name).then(
        () => true,
        () => false,
      ),
    slowed: async () => Running.parse(await monitor('query-block-jobs')).some(({ speed }) => speed === 1),
    checkpoints: async () => (await virsh('checkpoint-list', name, '--name')).trim(),
  }
}

/** Both commands in one virsh: a job of a small disk would be over before the next one. */
function slowed(name: string, slowing: string): Host {
  const host = localHost()
  return {
    ...host,
    async run(argv, options) {
      const [virsh, quiet = '', connect = '', uri = '', command, ...rest] = argv
      if (command !== 'backup-begin') return await host.run(argv, options)
      const script = `backup-begin ${rest.join(' ')}; qemu-monitor-command ${name} '${slowing}'`
      return await host.run([virsh, quiet, connect, uri, script], options)
    },
  }
}
