/** What a `vm` source may be told. */
import { z } from 'zod'
import { Duration } from '../../duration.ts'

/** Modes are what happens to the guest; a tick may ask for one by name. */
export const modes = ['auto', 'live', 'offline', 'snapshot'] as const
export type Mode = (typeof modes)[number]

/** Methods are how its disks get into the backup. */
export const methods = ['auto', 'incremental', 'copy', 'external'] as const

const Address = z.string().regex(/^[^\s-][^\s]*$/, 'expected a host name or an address')

/** ssh itself expands `%`, `$` and quotes in the names of its files. */
const KeyFile = z
  .string()
  .regex(/^(\/|~\/)[^\p{Cc}"%$\\]+$/u, 'expected an absolute path, or one below ~/, without quotes, % and $')

export const Workspace = z
  .strictObject({
    address: Address.describe('Where the guest answers by SSH.'),
    user: z
      .string()
      .regex(/^[a-z_][a-z0-9_-]*$/i, 'expected a user name')
      .default('agent')
      .describe('Who logs in there.'),
    port: z.int().min(1).max(65535).default(22).describe('Default 22.'),
    identity: KeyFile.optional().describe('The private key file on the host. Default: what ssh finds by itself.'),
    knownHosts: KeyFile.optional().describe(
      "The file with the guest's host key, which then alone counts. Default: the known_hosts files that ssh reads.",
    ),
    path: z
      .string()
      .regex(/^(\/|~\/)[^\0]+$/, 'expected an absolute path, or one below ~/')
      .default('~/.openclaw/workspace')
      .describe('The directory in the guest.'),
    require: z
      .array(z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\0]+$/, 'expected a path below the workspace'))
      .default(['SOUL.md', 'IDENTITY.md', 'AGENTS.md'])
      .describe('Files without which it is no workspace.'),
    required: z
      .boolean()
      .default(false)
      .describe('A workspace that cannot be fetched: a warning, or with true a failed run. The disks are kept all the same.'),
  })
  .describe('A directory in the guest that is fetched by SSH besides the disks, so that it can be restored by itself.')

export const Options = z.strictObject({
  domain: z
    .string()
    .min(1)
    .regex(/^[^\0\n/]+$/, 'expected the name of a domain')
    .optional()
    .describe('Its name in libvirt. Default: the name of the source.'),
  uri: z.string().min(1).default('qemu:///system').describe('The libvirt that runs it. Default qemu:///system.'),
  mode: z
    .enum(modes)
    .default('auto')
    .describe(
      'live: while it runs. offline: shut down, captured, started again. snapshot: an internal snapshot only, which is no protection. ' +
        'auto: live if it runs.',
    ),
  method: z
    .enum(methods)
    .default('auto')
    .describe(
      'incremental: what changed since the last backup, by checkpoints. copy: every disk whole. external: an overlay that is merged ' +
        'afterwards. auto: the first of these that the domain allows.',
    ),
  quiesce: z
    .enum(['prefer', 'require', 'never'])
    .default('prefer')
    .describe('Freeze the file systems by the guest agent for the moment of the capture.'),
  freezeLimit: Duration.default(10_000).describe('A watchdog thaws the guest after this, whatever happens. Default 10s.'),
  fullEvery: Duration.default(7 * 24 * 3600_000).describe('How long increments build on one full backup. Default 7d.'),
  excludeDisks: z
    .array(z.string().regex(/^[a-z]+$/, 'expected a target such as vdb'))
    .default([])
    .describe('Targets such as vdb that are left out.'),
  shutdownLimit: Duration.default(5 * 60_000).describe(
    'How long a guest may take to shut down. Default 5m. For a restore a minute at most: then it is switched off.',
  ),
  unwilling: z
    .enum(['fail', 'live'])
    .default('fail')
    .describe('offline: what to do with a guest that ignores shutdown. It is never destroyed for a backup.'),
  securityInfo: z
    .boolean()
    .default(false)
    .describe('Put passwords of the domain XML, such as that of its screen, into the backup.'),
  workspace: Workspace.optional(),
  drillCommand: z
    .array(z.string())
    .min(1)
    .optional()
    .describe('A command with its arguments that a drill runs in the restored guest; it has to end with 0.'),
  drillLimit: Duration.default(5 * 60_000).describe('How long a drilled guest may take until its agent answers. Default 5m.'),
})
export type Options = z.output<typeof Options>
export type Workspace = z.output<typeof Workspace>
