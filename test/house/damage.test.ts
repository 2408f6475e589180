import { randomBytes } from 'node:crypto'
import { readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Reported } from '../../bus/events.ts'
import { events } from '../../bus/events.ts'
import type { Backup } from '../../infra/inventory.ts'
import { sourceOf } from '../../infra/sources/all.ts'
import { defineSource, type Source } from '../../infra/sources/source.ts'
import type { Kinds } from '../../infra/tools.ts'
import { vaultOf } from '../../infra/vaults/all.ts'
import { temporaryDirectory } from '../services/directory.ts'
import { available, requires } from '../services/requires.ts'
import { flip, names, only, openScene, type Scene, shadow, vault } from './scene.ts'

const MEGABYTE = 1024 * 1024

/** Replaces something in a manifest. */
async function edit({ directory }: Pick<Backup, 'directory'>, from: string, to: string): Promise<void> {
  const path = join(directory, 'manifest.json')
  const text = await readFile(path, 'utf8')
  await writeFile(path, text.replace(from, to))
  expect(await readFile(path, 'utf8')).not.toBe(text)
}

/** The kind `files`, whose disk flips a bit of what is exported while the switch is on. */
function unreliable(): { kinds: Kinds; faulty: { on: boolean } } {
  const faulty = { on: false }
  const files = sourceOf('files')
  if (!files) throw new Error('there is no kind files')
  const broken: Source = defineSource({
    ...files,
    async export(work) {
      const captured = await files.export(work)
      if (faulty.on) await flip(join(work.directory, captured.artifacts[0]?.name ?? ''))
      return captured
    },
  })
  return { kinds: { source: kind => (kind === 'files' ? broken : sourceOf(kind)), vault: vaultOf }, faulty }
}

/** Backs up more than a vault takes at once, and takes the vault away while it is copied. */
async function unplugged(required: boolean): Promise<{ scene: Scene; report: Reported; replugged: () => Promise<void> }> {
  await shadow('rsync', 'exec rsync --bwlimit=4m "$@"')
  const directory = await temporaryDirectory()
  const nas = join(directory, 'vault')
  const scene = await openScene({ directory, attempts: 1, vaults: { nas: vault('rsync', { path: nas }, { required }) } })
  await writeFile(join(dirname(scene.letter), 'big'), randomBytes(4 * MEGABYTE))
  await scene.tick({ sources: ['docs'] })
  const copying = async () => (await readdir(nas, { recursive: true }).catch(() => [])).some(name => name.includes('.partial-'))
  while (!(await copying())) await sleep(10)
  await sleep(100)
  await rename(nas, `${nas}.unplugged`)
  const report = only(await scene.hears(events.report.done))
  expect(await readdir(directory)).not.toContain('vault')
  return { scene, report, replugged: () => rename(`${nas}.unplugged`, nas) }
}

requires(
  'nats-server',
  'rsync',
  'tar',
  'zstd',
)('damage', () => {
  test.skipIf(!available('root'))(
    'a disk that fills up: failed with what to do, no partial, and the earlier backup is whole',
    async () => {
      const directory = await temporaryDirectory()
      const disk = await temporaryDirectory({ tmpfs: '12m' })
      await symlink(disk, join(directory, 'backups'))
      const scene = await openScene({ directory, attempts: 1, vaults: {} })
      const big = join(dirname(scene.letter), 'big')
      await writeFile(big, randomBytes(4 * MEGABYTE))
      expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'done' })
      const { manifest } = only(await scene.backups())

      // Somebody else takes the room that was still there when the run began.
      const filler = join(disk, 'filler')
      await shadow(
        'zstd',
        `case "$*" in *--version*) ;; *) head -c 20M /dev/zero > ${filler} 2> /dev/null ;; esac\nexec zstd "$@"`,
      )
      const failed = only(await scene.backUp('docs'))
      expect(failed).toMatchObject({ outcome: 'failed', ended: 'export.failed', verified: false })
      expect(failed.error?.message).toMatch(/no space left|full/i)
      expect(failed.error?.hint).toMatch(/space|room/)
      expect(await names(disk)).toHaveLength(1)
      await rm(filler)
      expect(await scene.ask('verify', { id: manifest.id })).toMatchObject({ id: manifest.id, place: 'local' })

      await writeFile(big, randomBytes(9 * MEGABYTE))
      const refused = only(await scene.backUp('docs'))
      expect(refused).toMatchObject({ ended: 'snapshot.failed', error: { hint: expect.stringContaining('Free some space') } })
      expect(await names(disk)).toHaveLength(1)
      expect(await scene.said(events.verify.done)).toHaveLength(1)
    },
  )

  test('a required vault that vanishes in mid-copy: the run fails, the backup stays and is copied when the vault is back', async () => {
    const { scene, report, replugged } = await unplugged(true)
    expect(report).toMatchObject({
      ...{ outcome: 'failed', verified: true, copies: [] },
      error: { message: expect.stringContaining('vanished'), hint: expect.stringContaining('Mount') },
    })
    expect(only(await scene.said(events.replicate.failed))).toMatchObject({ attempts: 1 })
    await replugged()
    expect(only(await scene.backUp('docs'))).toMatchObject({ outcome: 'done' })
    // Its own copy, and the one that it missed.
    expect(await scene.backups('vault')).toHaveLength(2)
    expect(await scene.backups()).toHaveLength(2)
  })

  test('one that is not required: a warning, and the run is done', async () => {
    const { scene, report } = await unplugged(false)
    expect(report).toMatchObject({
      outcome: 'warnings',
      verified: true,
      warnings: { first: expect.arrayContaining([expect.stringContaining('vanished')]) },
    })
    expect(only(await scene.said(events.replicate.done)).missing).toMatchObject([{ vault: 'nas' }])
    expect(only(await scene.backups()).copies).toEqual([])
  })

  test('a bit that flips on its way to the disk: failed.json, never verified, and the good one is kept', async () => {
    const { kinds, faulty } = unreliable()
    const scene = await openScene({ kinds, plans: { nightly: { keep: { last: 1 }, vaults: ['nas'] } } })
    const good = only(await scene.backUp('docs'))
    faulty.on = true
    for (let run = 0; run < 2; run++) {
      const bad = only(await scene.backUp('docs'))
      expect(bad).toMatchObject({
        outcome: 'failed',
        ended: 'verify.failed',
        verified: false,
        error: { name: 'VerificationFailed' },
      })
      expect(await readdir(bad.directory ?? '')).toEqual(expect.arrayContaining(['failed.json', 'report.md']))
      expect(await readdir(bad.directory ?? '')).not.toContain('verified.json')
    }
    const pruned = await scene.ask('prune', {})
    expect(pruned).toMatchObject([{ source: 'docs', problems: [] }])
    expect((await scene.backups()).map(({ manifest, verified }) => [manifest.id, verified !== undefined])).toContainEqual([
      good.id,
      true,
    ])
    expect((await scene.backups('vault')).map(({ manifest }) => manifest.id)).toEqual([good.id])
    expect(await scene.ask('status', {})).toMatchObject([{ good: { id: good.id }, last: { verified: false } }])
  })

  test('a manifest that was edited since: listed as a problem, and restored from the other copy or not at all', async () => {
    const scene = await openScene()
    const { id } = only(await scene.backUp('docs'))
    const [here, there] = [only(await scene.backups()), only(await scene.backups('vault'))]
    await edit(here, '"nightly"', '"monthly"')
    await writeFile(scene.letter, 'spoiled')
    expect(await scene.ask('status', {})).toMatchObject([
      { backups: 0, problems: [expect.stringContaining('changed after it was verified')] },
    ])
    await scene.ask('restore', { id })
    expect(only(await scene.hears(events.restore.done))).toMatchObject({ from: 'nas' })
    expect(await readFile(scene.letter, 'utf8')).toBe('dear reader')

    await edit(there, '"nightly"', '"monthly"')
    expect(await scene.ask('restore', { id })).toMatchObject({
      error: { message: expect.stringContaining('changed after it was verified'), hint: expect.stringMatching(/./) },
    })
    expect(await scene.ask('verify', { id })).toMatchObject({ error: { message: expect.stringContaining(id) } })
  })

  test('a manifest that names files outside its directory is none', async () => {
    const scene = await openScene()
    const { id } = only(await scene.backUp('docs'))
    const backup = only(await scene.backups())
    await rm(scene.vault, { recursive: true })
    await rm(join(backup.directory, 'verified.json'))
    await edit(backup, '"docs.tar.zst"', '"../../../etc/shadow"')
    const error = { message: expect.stringMatching(/not what Holdfast writes: artifacts\.0\.name/) }
    expect(await scene.ask('restore', { id })).toMatchObject({ error })
    expect(await scene.ask('verify', { id })).toMatchObject({ error })
  })
})
