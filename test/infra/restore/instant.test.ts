/** Restores that run from their backup, and the hold that keeps it. */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { hold } from '../../../infra/backups.ts'
import { HoldfastError } from '../../../infra/errors.ts'
import { localHost } from '../../../infra/hosts/local.ts'
import { type Restore, restoreBackup } from '../../../infra/restore.ts'
import { defineSource, type RestoreWork, type Staged } from '../../../infra/sources/source.ts'
import { type MadeBackup, makeBackup, manifestText, sha256 } from '../../services/backup.ts'
import { temporaryDirectory } from '../../services/directory.ts'

const host = localHost()
let root: string
let backup: MadeBackup
/** What happens while a restore to this place pulls. */
let meanwhile: Record<string, () => Promise<unknown>>

beforeEach(async () => {
  root = await temporaryDirectory()
  backup = await makeBackup(join(root, 'backups'), { files: { 'data.bin': 'new' } })
  const verified = { at: backup.manifest.at, manifest: sha256(manifestText(backup.manifest)), checks: [] }
  await writeFile(join(backup.directory, 'verified.json'), JSON.stringify(verified))
  meanwhile = {}
})

/** A link to the backup that becomes a file. */
const linked = defineSource<object>({
  kind: 'linked',
  summary: 'A file.',
  options: z.strictObject({}),
  snapshot: never,
  export: never,
  verify: async () => [],
  stage: never,
  instant: {
    stage,
    lifecycle: () => ({ stop: async () => undefined, start: async () => ({ checks: [], proven: true }) }),
    async pull({ to = '', directory }) {
      await meanwhile[to]?.()
      await host.run(['cp', '--remove-destination', '--', join(directory, 'data.bin'), to])
      return []
    },
    letGo: async () => undefined,
  },
})

async function stage({ to = '', directory, token }: RestoreWork<object>): Promise<Staged> {
  const staged = `${to}.staged-${token}`
  if (to.endsWith('refused')) throw new HoldfastError('there is no room')
  await host.run(['ln', '-sf', '--', join(directory, 'data.bin'), staged])
  return { replacements: [{ target: to, staged }], leftOut: false, scratch: [], checks: [] }
}

async function never(): Promise<never> {
  throw new Error('not asked for')
}

const at = (name: string) => join(root, name)
const restore = (name: string, change: Partial<Restore> = {}) =>
  restoreBackup({
    ...{ backup, host, driver: linked, options: {}, service: undefined, health: undefined, to: at(name), instant: true },
    ...{ keepAside: false, token: name, state: at('state'), signal: new AbortController().signal },
    ...{ progress: () => undefined, warn: () => undefined, ...change },
  })
const holder = async () => {
  const file = join(backup.directory, 'hold.json')
  return existsSync(file) ? JSON.parse(await readFile(file, 'utf8')).by : undefined
}

test('two run from one backup: it is held until the last of them stands alone, whoever came first', async () => {
  const seen: string[] = []
  const look = async () => void seen.push(await holder())
  meanwhile[at('first')] = async () => {
    await restore('second')
    await look()
  }
  meanwhile[at('second')] = look
  await restore('first')
  expect(seen).toEqual(['restore second', 'restore first'])
  expect(await holder()).toBeUndefined()
})

test('one that was cut off keeps it while another one comes and goes', async () => {
  const death = new AbortController()
  meanwhile[at('first')] = async () => death.abort(new Error('cut off'))
  await expect(restore('first', { signal: death.signal })).rejects.toThrow('cut off')
  await restore('second')
  expect(await holder()).toBe('restore first')
  await restore('first')
  expect(await holder()).toBeUndefined()
})

test("one that cannot even begin holds nothing, and a person's hold stays", async () => {
  await expect(restore('refused')).rejects.toThrow('there is no room')
  expect(await holder()).toBeUndefined()
  await hold(host, backup.directory, { at: backup.manifest.at, reason: 'evidence', by: 'anna' })
  await restore('first')
  expect(await holder()).toBe('anna')
})
