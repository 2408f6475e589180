/** What a snapshot of a domain fixed and holds. It travels in the facts; release has nothing else. */
import { z } from 'zod'
import type { Json } from '../source.ts'

export const HeldDisk = z.object({
  /** `vda` */
  target: z.string(),
  /** The image the guest works on. */
  source: z.string(),
  format: z.string(),
  /** Bytes the guest sees. */
  capacity: z.number(),
  /** Its file in the backup: `zeus_vda.qcow2`, or `.raw`. */
  artifact: z.string(),
  /** Where the captured image lies or is being written, on the host; undefined where export reads `source` itself. */
  staged: z.string().optional(),
  /** The parent backup's image of this disk, below the root: `2026-11-20/zeus-020000Z/zeus_vda.qcow2`. Undefined: a whole image. */
  parent: z.string().optional(),
  /** external: the overlay that the guest writes to meanwhile. */
  overlay: z.string().optional(),
})
export type HeldDisk = z.infer<typeof HeldDisk>

/** What was found before anything was begun. */
export const Before = z.object({
  /** Bytes that the backup was expected to have, and that were free for it. */
  expected: z.number(),
  free: z.number(),
  /** Disks that are left out, and why. */
  omitted: z.array(z.object({ target: z.string(), why: z.string() })),
  /** Targets of encrypted disks. */
  encrypted: z.array(z.string()),
  /** Checkpoints that are not ours. */
  checkpoints: z.array(z.string()),
})

export const Held = z.object({
  uri: z.string(),
  domain: z.string(),
  uuid: z.string(),
  /** What was done, never `auto`. */
  mode: z.enum(['live', 'offline', 'snapshot']),
  /** convert: the closed disks of a guest that cannot be started. internal: inside the domain's own disk. */
  method: z.enum(['incremental', 'copy', 'external', 'internal', 'convert']),
  /** For people: why this mode and method. */
  why: z.string(),
  /** The backup this one builds on. */
  parent: z.string().nullable(),
  /** Ours in libvirt, named after the backup: a checkpoint, or with method internal a snapshot. */
  checkpoint: z.string().nullable(),
  /** A directory of this backup's own that QEMU's user can write to. */
  stage: z.string().nullable(),
  disks: z.array(HeldDisk),
  /** Milliseconds. */
  frozen: z.number().nullable(),
  downtime: z.number().nullable(),
  /** Bytes that changed since the parent, as QEMU counts them. */
  dirty: z.number().nullable(),
  /** An agent answered in it; left out where nobody could ask, since it was off. */
  answered: z.boolean().optional(),
  /** The domain ran before, and has to run afterwards. */
  ran: z.boolean(),
  before: Before.optional(),
  /** It starts with its host, which its XML does not say. */
  autostart: z.boolean().optional(),
  /** We asked it to shut down, and it has not run again since; until this moment, ISO 8601, it may still be on its way. */
  stopped: z.string().optional(),
  /** Once it went off: whether by its own shutdown, and not because its QEMU was killed. */
  unmounted: z.boolean().optional(),
  /** When the disks' state was fixed, ISO 8601. */
  at: z.string(),
})
export type Held = z.infer<typeof Held>

/** As it travels in the facts: what is undefined is left out. */
export function jsonOf(value: object): Record<string, Json> {
  return z.record(z.string(), z.json()).parse(JSON.parse(JSON.stringify(value)))
}
