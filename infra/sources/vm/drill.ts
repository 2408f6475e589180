/** Boots a backup as a transient domain without a network, over overlays in a scratch directory, and looks whether it lives. */
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { CommandFailed, InvalidInput, messageOf } from '../../errors.ts'
import type { Check } from '../../manifest.ts'
import { letGo } from '../../tools/access.ts'
import { runInGuest } from '../../tools/agent.ts'
import { describeDomain } from '../../tools/domain-xml.ts'
import { askUnless, type Guest } from '../../tools/guest.ts'
import { own } from '../../tools/ownership.ts'
import { virsh } from '../../tools/virsh.ts'
import type { Drilled, DrillWork } from '../source.ts'
import { chainOf, makeOverlay, openBackup } from './backed.ts'
import { type Details, hadAgent } from './details.ts'
import { detailsOf } from './goal.ts'
import { harmless } from './harmless.ts'
import { requireMemory } from './memory.ts'
import type { Options } from './options.ts'
import { type Signs, watchForLife } from './signs.ts'

type Work = DrillWork<Options>

/** Ends without a trace, whatever comes of it; after a kill the next try, or the next drill of the host, finds what is left. */
export async function drill(work: Work): Promise<Drilled> {
  const details = detailsOf(work)
  if (details.inside !== null)
    throw new InvalidInput(`${work.id} lies inside the disks of ${details.domain}: it cannot run beside it`, {
      hint: 'Drill a backup that was made in another mode.',
    })
  await endDrill(work)
  const xml = await definitionOf(work, details)
  await requireMemory(work.host, work.id, describeDomain(xml))
  const guest = guestOf(work)
  await work.host.write(noteFile(work), JSON.stringify({ uri: guest.uri, domain: guest.domain }))
  try {
    return await rehearse(work, details, guest, xml)
  } finally {
    // Somebody else may be at the same drill by now.
    if (!work.signal.aborted) await endDrill(work)
  }
}

const Note = z.object({ uri: z.string(), domain: z.string() })
const NONE = /failed to get domain|Domain not found|domain is not running/

/** The domain goes, and nobody may read the backup any more who could not before. May be called again. */
export async function endDrill(left: Pick<DrillWork<unknown>, 'host' | 'token' | 'scratch' | 'signal'>): Promise<void> {
  const { host, token, signal } = left
  const bytes = await host.readIfThere(noteFile(left))
  if (bytes) {
    const { uri, domain } = Note.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
    await askUnless({ host, uri, domain, signal }, NONE, 'destroy')
  }
  await letGo({ host, token, notes: notesOf(left) })
}

function guestOf({ host, options, token, signal }: Work): Guest {
  return { host, uri: options.uri, domain: `holdfast-drill-${token}`, signal }
}

function noteFile({ scratch }: Pick<Work, 'scratch'>): string {
  return join(scratch, 'drill.json')
}

/** Who lets QEMU's user read backups notes it there: beside every scratch of the root. */
function notesOf({ scratch }: Pick<Work, 'scratch'>): string {
  return join(dirname(scratch), 'readers')
}

async function definitionOf({ host, directory }: Work, { xml }: Details): Promise<string> {
  return Buffer.from(await host.read(join(directory, xml))).toString('utf8')
}

async function rehearse(work: Work, details: Details, guest: Guest, original: string): Promise<Drilled> {
  const { host, options, scratch, signal } = work
  const { xml, leftOut } = await prepare(work, details, guest, original)
  const file = join(scratch, 'domain.xml')
  await host.write(file, xml)
  const refusal = await create(guest, file)
  if (refusal !== undefined) return { problem: `it cannot be started: ${refusal}`, checks: [], picture: undefined }
  const channel = describeDomain(original).agent
  const signs = await watchForLife(guest, { channel, answered: channel && hadAgent(details), limit: options.drillLimit, scratch })
  signal.throwIfAborted()
  const checks = [
    ...(signs.problem === undefined ? [{ name: 'boot', result: signs.seen }] : []),
    ...(leftOut.length ? [{ name: 'left out', result: leftOut.join(', ') }] : []),
  ]
  if (signs.problem !== undefined) return { problem: signs.problem, checks, picture: signs.picture }
  const command = await tryCommand(guest, options, signs)
  return { problem: command?.problem, checks: [...checks, ...(command?.checks ?? [])], picture: signs.picture }
}

async function prepare(work: Work, details: Details, guest: Guest, original: string) {
  const { host, directory, scratch, token, signal } = work
  const chains = await Promise.all(details.images.map(image => chainOf(work, image)))
  const owner = await openBackup(guest, chains, { notes: notesOf(work), token, passed: [scratch] })
  const disks = []
  for (const image of details.images) disks.push(await makeOverlay(work, { image, path: join(scratch, `${image.target}.qcow2`) }))
  const nvram = details.nvram && join(scratch, 'nvram.fd')
  if (details.nvram && nvram) {
    await host.run(['cp', '--', join(directory, details.nvram.artifact), nvram], { signal })
  }
  const files = [...disks.map(({ path }) => path), ...(nvram ? [nvram] : [])]
  if (owner) for (const file of files) await own(host, file, { owner, mode: '600' })
  return harmless(original, { name: guest.domain, disks, nvram: nvram ?? undefined, labelled: owner !== undefined })
}

/** Why libvirt or QEMU refuses it: that is what would be met after a loss. */
async function create(guest: Guest, file: string): Promise<string | undefined> {
  try {
    await virsh(guest, ['create', `--file=${file}`])
    return undefined
  } catch (error) {
    if (!(error instanceof CommandFailed) || !/Failed to create domain/.test(error.outcome.stderr)) throw error
    return messageOf(error)
  }
}

async function tryCommand(
  guest: Guest,
  { drillCommand, drillLimit }: Options,
  { agent }: Signs,
): Promise<{ problem: string | undefined; checks: Check[] } | undefined> {
  if (!drillCommand) return undefined
  const name = drillCommand.join(' ')
  if (!agent) return { problem: `${name} cannot be run in it: no agent answers`, checks: [] }
  const { exitCode, stdout, stderr } = await runInGuest(guest, drillCommand, drillLimit)
  const said = (exitCode === 0 ? stdout : stderr || stdout).trim().split('\n').at(-1)?.slice(0, 200) ?? ''
  const result = `exit code ${exitCode ?? 'none, ended by a signal'}${said ? `: ${said}` : ''}`
  return { problem: exitCode === 0 ? undefined : `${name} in it failed: ${result}`, checks: [{ name, result }] }
}
