/** What the configuration says of a `files` source, and what a backup of it remembers. */
import { z } from 'zod'
import { patternProblem } from '../../tools/glob.ts'

/** An absolute path or a pattern. */
const Path = z
  .string()
  .refine(path => /^(\/|~\/)/.test(path), { error: 'has to be absolute or begin with ~/', abort: true })
  .refine(path => !path.split('/').includes('..'), { error: 'must not contain ..', abort: true })
  .refine(path => !path.includes('\0'), { error: 'must not contain a NUL character', abort: true })
  .refine(path => !isWholeMachine(path), { error: 'is the whole machine: name the directories to protect', abort: true })
  .superRefine((path, context) => {
    const problem = patternProblem(path)
    if (problem) context.addIssue({ code: 'custom', message: problem })
  })

const patterns =
  '`*`, `?` (one byte) and `[…]` match within one name, hidden names too; `**` as a whole name matches any number of directories. ' +
  'They do not follow symbolic links. A backslash takes the next character as it is in a path that has one of these.'

export const FilesOptions = z.strictObject({
  paths: z
    .array(Path)
    .min(1)
    .describe(`Files and directories to protect: absolute paths, \`~/…\`, or patterns. Each has to be there. ${patterns}`),
  optional: z.array(Path).default([]).describe('Paths and patterns that are protected too where they are there.'),
  exclude: z
    .array(
      z
        .string()
        .min(1)
        .refine(pattern => !pattern.includes('\0'), 'must not contain a NUL character'),
    )
    .default([])
    .describe(
      'Patterns of what to leave out, as GNU tar reads them: one that begins with `/` or `~/` is matched from there, any other at any depth; `*` also matches `/`.',
    ),
  require: z
    .array(Path)
    .default([])
    .describe('Paths and patterns of which each must match something that is protected, or the backup fails.'),
  rsyncable: z
    .boolean()
    .default(false)
    .describe(
      'Compress so that an rsync vault sends only what changed since the last backup. Costs processor time: about half as much again.',
    ),
  level: z.int().min(1).max(19).default(3).describe('How hard zstd tries: 1 is fastest, 19 smallest.'),
})
export type FilesOptions = z.infer<typeof FilesOptions>

function isWholeMachine(path: string): boolean {
  const [first = ''] = path.split('/').filter(part => part !== '' && part !== '.')
  return /^[*?]*$/.test(first)
}

/** What snapshot hands to export. Nothing is held: files stay in use. */
export const FilesHeld = z.object({ root: z.string() })

/** In the manifest. Names are written as GNU tar escapes them. */
export const FilesDetails = z.object({
  /** The absolute paths in the archive. */
  roots: z.array(z.string().refine(path => path.startsWith('/') && path.length > 1 && !path.split('/').includes('..'))).min(1),
  exclude: z.array(z.string()),
  entries: z.number().int().nonnegative(),
  /** Length of the archive before compression. */
  archiveBytes: z.number().int().nonnegative(),
  /** Entries that could not be kept; each has a warning. */
  missing: z.number().int().nonnegative(),
  /** Sockets are never kept: they are named in `<source>.left-out.txt`. */
  sockets: z.number().int().nonnegative(),
})
export type FilesDetails = z.infer<typeof FilesDetails>

export interface ArtifactNames {
  archive: string
  listing: string
  leftOut: string
}

/** What the artifacts of a source are called. */
export function artifactNames(source: string): ArtifactNames {
  return { archive: `${source}.tar.zst`, listing: `${source}.listing.txt`, leftOut: `${source}.left-out.txt` }
}
