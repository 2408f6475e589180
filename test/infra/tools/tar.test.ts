import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { unmarked, withoutMark } from '../../../infra/tools/tar.ts'
import { temporaryDirectory } from '../../services/directory.ts'

test('marks are taken from a listing in memory as sed takes them from a file', async () => {
  const [host, path] = [localHost(), join(await temporaryDirectory(), 'listing')]
  const mode = fc.constantFrom('-rw-r--r--', 'drwxr-xr-x', 'lrwxrwxrwx', '-rw-r--r-', '')
  const rest = fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes).toString('latin1'))
  const line = fc.tuple(mode, fc.constantFrom(' ', '+', '*', '.', 'x', '', '\r'), rest).map(parts => parts.join(''))
  const listing = fc
    .tuple(fc.array(line, { maxLength: 8 }), fc.constantFrom('', '\n'))
    .map(([lines, end]) => lines.join('\n') + end)
  const alike = async (text: string) => {
    const bytes = Buffer.from(text, 'latin1')
    await writeFile(path, bytes)
    const [output] = await host.pipe([withoutMark(path)])
    return Buffer.from(unmarked(bytes)).equals(Buffer.from(output?.bytes ?? []))
  }
  await fc.assert(fc.asyncProperty(listing, alike), { numRuns: 60 })
})
