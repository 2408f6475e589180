/** The directory below the root in which QEMU writes a backup's images, and in which is noted what has to be undone. */
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { HoldfastError } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { parseBackupId } from '../../layout.ts'
import { Consistency } from '../../manifest.ts'
import type { Guest } from '../../tools/guest.ts'
import { remembered } from '../../tools/remembered.ts'
import { virsh } from '../../tools/virsh.ts'
import { Held } from './held.ts'

const PREFIX = '.vm-'
const NOTE = 'held.json'

/** What a capture has decided and done so far, for a second try and for release after a kill. */
export const Note = z.object({
  held: Held,
  consistency: z.object({ asked: Consistency, achieved: Consistency }),
  expected: z.number(),
  tools: z.record(z.string(), z.string()),
  warnings: z.array(z.string()),
})
export type Note = z.infer<typeof Note>

/** `<root>/.vm-zeus-20261121T020000Z` */
export function stageOf(root: string, id: string): string {
  return join(root, `${PREFIX}${id}`)
}

/** The id of the backup whose stage it is. */
export function idOfStage(stage: string): string {
  return basename(stage).slice(PREFIX.length)
}

/** The stages of a source's other backups: whoever made them was killed. */
export async function otherStages(host: Host, root: string, source: string, id: string): Promise<string[]> {
  const names = (await host.list(root)).filter(({ type, name }) => type === 'directory' && name.startsWith(PREFIX))
  const ids = names.map(({ name }) => name.slice(PREFIX.length))
  return ids.filter(other => other !== id && parseBackupId(other)?.source === source).map(other => stageOf(root, other))
}

/** Makes it, so that the user that QEMU works as can write there and nobody else can look. */
export async function makeStage(guest: Guest, stage: string): Promise<void> {
  const { host } = guest
  await host.makeDirectory(stage)
  const [owner, login] = await Promise.all([qemuOwner(guest), loginOf(host)])
  if (!owner || owner === login) return
  await host.run(['chown', owner, '--', stage])
  await letPass(host, dirname(stage), owner, stage)
}

export async function note(host: Host, stage: string, found: Note): Promise<void> {
  await host.write(join(stage, NOTE), `${JSON.stringify(found, null, 2)}\n`)
}

/** Undefined where nothing was begun. */
export async function noted(host: Host, stage: string): Promise<Note | undefined> {
  const bytes = await host.readIfThere(join(stage, NOTE))
  return bytes && Note.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
}

/** `0:0` */
export const loginOf: (host: Host) => Promise<string> = remembered(async host => {
  const [user, group] = await Promise.all([host.run(['id', '-u']), host.run(['id', '-g'])])
  return `${user.stdout.trim()}:${group.stdout.trim()}`
})

/** The user and group that QEMU works as, `64055:64055`; undefined where libvirt does not change them. */
export async function qemuOwner(guest: Guest): Promise<string | undefined> {
  const text = await virsh(guest, ['capabilities'])
  return /<model>dac<\/model>[\s\S]*?<baselabel[^>]*>\+?(\d+):\+?(\d+)<\/baselabel>/.exec(text)?.slice(1, 3).join(':')
}

/** QEMU's user has to pass the root, which is 0700: it may pass and no more. */
async function letPass(host: Host, root: string, owner: string, stage: string): Promise<void> {
  const [user = '', group = ''] = owner.split(':')
  const { exitCode } = await host.run(['setfacl', '-m', `u:${user}:x`, '--', root], { okCodes: [0, 1, 127] })
  if (exitCode !== 0) await host.run(['chmod', 'o+x', '--', root])
  const argv = ['setpriv', '--reuid', user, '--regid', group, '--clear-groups', 'test', '-w', stage] as const
  const passed = await host.run(argv, { okCodes: [0, 1] })
  if (passed.exitCode !== 0)
    throw new HoldfastError(`QEMU works as user ${user}, who cannot reach ${stage}`, {
      retryable: false,
      hint: `Let that user pass the directories above ${root} (setfacl -m u:${user}:x DIRECTORY), or keep backups elsewhere.`,
    })
}
