/** Tries a backup out: its kind restores it into a scratch place and runs it there; what that showed is kept beside every copy. */
import { join } from 'node:path'
import { HoldfastError, InvalidInput, messageOf, VerificationFailed } from './errors.ts'
import type { Found, Located } from './find.ts'
import { readBackup } from './inventory.ts'
import { DRILLS } from './layout.ts'
import type { Check } from './manifest.ts'
import { Drill } from './manifest.ts'
import { stateBelow } from './recover.ts'
import { sourceOf } from './sources/all.ts'
import type { Drilled, Progress, Source } from './sources/source.ts'
import { checkArtifacts } from './tools/checksums.ts'
import type { ProtectedSource } from './tools.ts'

export interface DrillJob extends Pick<ProtectedSource, 'name' | 'host' | 'driver' | 'config' | 'hostConfig'> {
  located: Located
  /** Unique to this drill, one path component. A second run with the same token begins anew. */
  token: string
  /** When it was asked for: what it is called afterwards. */
  at: Date
  signal: AbortSignal
  progress(progress: Progress): void
  warn(message: string): void
}

export interface DrillProof {
  at: string
  /** The place of the copy that was tried. */
  from: string
  directory: string
  checks: Check[]
  /** The file with a picture of its screen. */
  picture?: string
  seconds: number
}

/** Throws `VerificationFailed` where the backup does not stand the test; that is written down as well. */
export async function drillBackup(job: DrillJob): Promise<DrillProof> {
  const { located, at, signal } = job
  const found = nearest(job)
  const began = performance.now()
  await endLeftovers(job)
  const { problem, checks, picture } = await tryOut(job, found)
  signal.throwIfAborted()
  const seconds = Math.round(performance.now() - began) / 1000
  const name = at.toISOString().replace(/[-:]|\.\d+/g, '')
  const drill: Drill = {
    at: at.toISOString(),
    ok: problem === undefined,
    checks,
    from: found.place.name,
    seconds,
    ...(problem === undefined ? {} : { problem }),
    ...(picture ? { picture: `${name}.png` } : {}),
  }
  // The picture first: whoever finds the report finds what it speaks of.
  if (picture) await keep(job, `${name}.png`, picture)
  await keep(job, `${name}.json`, `${JSON.stringify(Drill.parse(drill), undefined, 2)}\n`)
  const { directory } = found.backup
  const shown = picture && join(directory, DRILLS, `${name}.png`)
  if (problem !== undefined)
    throw new VerificationFailed(`the drill of ${located.id} failed: ${problem}`, {
      hint: `${shown ? `Its screen: ${shown}. ` : ''}Drill another backup (holdfast list), and find out what this one lacks.`,
    })
  return { at: drill.at, from: found.place.name, directory, checks, ...(shown ? { picture: shown } : {}), seconds }
}

/** The nearest copy that the host of the source can read where it lies: good ones first. */
function nearest({ located, host, name, driver }: DrillJob): Found {
  refuseDrill(name, driver)
  const readable = located.copies.filter(({ place }) => place.host?.name === host.name)
  const [found] = readable.toSorted((a, b) => Number(b.backup.verified !== undefined) - Number(a.backup.verified !== undefined))
  if (found) return found
  throw new InvalidInput(`no copy of ${located.id} lies where ${host.name} can read it`, {
    hint: `It is in ${located.copies.map(({ place }) => place.name).join(', ')}. Mount that on ${host.name}, or drill a newer backup.`,
  })
}

/** Throws for kinds of which a backup cannot be tried out. */
export function refuseDrill(source: string, driver: Source): void {
  if (isDrillable(driver)) return
  throw new InvalidInput(`${source} cannot be drilled: the kind ${driver.kind} has no drill`, {
    hint: 'Prove it by reading it back: holdfast verify',
  })
}

/** What is restored to a path is tried out by restoring it into the scratch place. */
export function isDrillable({ drill, destination }: Source): boolean {
  return drill !== undefined || destination === undefined
}

/** What a damaged backup is guilty of is what the drill showed; everything else is tried again. */
async function tryOut(job: DrillJob, { backup }: Found): Promise<Drilled> {
  const { host, name, driver, config, token, signal, progress, warn } = job
  const { manifest, directory } = backup
  const scratch = join(stateBelow(job.hostConfig.root), `drill-${driver.kind}.${token}`)
  await host.makeDirectory(scratch)
  try {
    const work = { host, source: name, id: manifest.id, options: config.options, directory, manifest, signal, progress, warn }
    return await (driver.drill ?? restoreThere(driver))({ ...work, token, scratch })
  } catch (error) {
    if (!(error instanceof VerificationFailed)) throw error
    return { problem: messageOf(error), checks: [], picture: undefined }
  } finally {
    // Whoever is aborted does nothing more: the next try, or the next drill, finds what is left.
    if (!signal.aborted) await host.remove(scratch)
  }
}

/** The drill of a kind that has none of its own: read through, restored beside nobody, and checked there by its kind. */
function restoreThere(driver: Source): NonNullable<Source['drill']> {
  return async work => {
    const { host, directory, manifest, scratch, signal } = work
    const read = await checkArtifacts(host, directory, manifest, signal)
    const to = join(scratch, 'restored')
    const staged = await driver.stage({ ...work, to, scratch: join(scratch, 'work') })
    return { problem: undefined, checks: [...read, ...staged.checks], picture: undefined }
  }
}

/** A host is at one drill at a time, so whatever lies there was left by one that was killed. */
async function endLeftovers({ host, hostConfig, signal }: DrillJob): Promise<void> {
  const state = stateBelow(hostConfig.root)
  for (const { name } of await host.list(state)) {
    const [, kind, token] = /^drill-([a-z0-9_-]+)\.(.+)$/.exec(name) ?? []
    if (kind === undefined || token === undefined) continue
    const scratch = join(state, name)
    await sourceOf(kind)?.endDrill?.({ host, scratch, token, signal })
    await host.remove(scratch)
  }
}

/** Beside every copy that is known; one that cannot be written is said, as the drill itself has happened. */
async function keep({ located, warn }: DrillJob, name: string, content: string | Uint8Array): Promise<void> {
  for (const { place, backup } of located.copies) {
    try {
      if (place.vault) await place.vault.annotate(backup, `${DRILLS}/${name}`, content)
      else if (place.host && (await readBackup(place.host, backup.directory))) {
        await place.host.makeDirectory(join(backup.directory, DRILLS))
        await place.host.write(join(backup.directory, DRILLS, name), content)
      }
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      warn(`${name} was not written in ${place.name}: ${messageOf(error)}`)
    }
  }
}
