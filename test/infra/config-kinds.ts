/** Kinds as drivers declare them, and configurations that use them, for tests of the configuration alone. */
import { z } from 'zod'
import type { Kinds } from '../../infra/config/draft.ts'
import { ConfigurationInvalid, type Problem } from '../../infra/config/problems.ts'
import { parseConfiguration } from '../../infra/config/read.ts'
import type { Configuration } from '../../infra/config.ts'

export const kinds: Kinds = {
  sources: [
    {
      kind: 'files',
      summary: 'Files.',
      // Not strict on purpose: the configuration refuses unknown keys by itself.
      options: z.object({ paths: z.array(z.string()).min(1), exclude: z.array(z.string()).default([]) }),
    },
    {
      kind: 'database',
      summary: 'A database.',
      options: z
        .strictObject({
          path: z.string(),
          password: z.string().min(8, 'expected eight letters').optional(),
          vacuum: z.boolean().default(false),
        })
        .refine(({ path, vacuum }) => !(vacuum && path.startsWith('/ro')), { path: ['vacuum'], error: 'cannot vacuum there' }),
    },
  ],
  vaults: [{ kind: 'rsync', summary: 'A directory.', options: z.strictObject({ path: z.string() }) }],
}

/** A configuration without mistakes; each test adds its own. */
export const whole = `
plans:
  nightly: { schedule: "0 2 * * *", zone: Europe/Zurich, keep: { daily: 7 }, vaults: [nas] }
sources:
  docs: { kind: files, plan: nightly, paths: [/srv/docs] }
vaults:
  nas: { kind: rsync, path: /mnt/nas }
`

export function read(text: string, env: Record<string, string> = {}, file = '/etc/holdfast/holdfast.yaml'): Configuration {
  return parseConfiguration(file, text, { env, kinds })
}

/** Everything that is wrong with a text. Throws where nothing is. */
export function problemsOf(text: string, env: Record<string, string> = {}, file = 'holdfast.yaml'): readonly Problem[] {
  try {
    read(text, env, file)
  } catch (error) {
    if (error instanceof ConfigurationInvalid) return error.problems
    throw error
  }
  throw new Error('expected problems, and there are none')
}

/** The same as `path: message`. */
export function complaints(text: string, env: Record<string, string> = {}): string[] {
  return problemsOf(text, env).map(({ path, message }) => `${path}: ${message}`)
}
