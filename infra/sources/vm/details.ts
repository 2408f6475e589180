/** What a manifest's `details` say of a domain: enough to verify and restore it without the configuration. */
import { z } from 'zod'
import { Held } from './held.ts'

export const Image = z.object({
  target: z.string(),
  /** The artifact: `zeus_vda.qcow2`. */
  artifact: z.string(),
  /** Of the artifact. */
  format: z.string(),
  capacity: z.number(),
  /** Where the domain had it, and in which format. */
  source: z.string(),
  sourceFormat: z.string(),
  /** `source` is a block device. */
  device: z.boolean().optional(),
  /** The image it builds on, relative to its own directory: `../../2026-11-20/zeus-020000Z/zeus_vda.qcow2`. */
  parent: z.string().nullable(),
  /** As the domain had the file: `libvirt-qemu:kvm`, `0600`. */
  owner: z.string().optional(),
  mode: z.string().optional(),
})
export type Image = z.infer<typeof Image>

export const Details = z.object({
  ...Held.pick({
    uri: true,
    domain: true,
    uuid: true,
    mode: true,
    method: true,
    why: true,
    ran: true,
    answered: true,
    autostart: true,
    before: true,
  }).shape,
  /** The artifact with the domain's XML. */
  xml: z.string(),
  images: z.array(Image),
  /** The artifact with the UEFI variables, and where they belong. */
  nvram: z.object({ artifact: z.string(), source: z.string() }).nullable(),
  tpm: z.object({ artifact: z.string(), source: z.string() }).nullable(),
  workspace: z.object({ artifact: z.string(), path: z.string(), require: z.array(z.string()) }).nullable(),
  /** Why a workspace that is required is not here: the backup is incomplete. */
  workspaceProblem: z.string().optional(),
  /** Milliseconds; null where it was not frozen, or did not stop. */
  frozen: z.number().nullable(),
  downtime: z.number().nullable(),
  dirty: z.number().nullable(),
  /** Name of the snapshot inside the domain's own disk: a backup that is lost with it. */
  inside: z.string().nullable(),
})
export type Details = z.infer<typeof Details>

/** Whether an agent answered when it was captured, so that it has to do so again. Older manifests say no more than whether it froze. */
export function hadAgent({ answered, frozen }: Pick<Details, 'answered' | 'frozen'>): boolean {
  return answered ?? frozen !== null
}
