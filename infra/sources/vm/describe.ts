/** How a domain was captured, for people. */
import prettyBytes from 'pretty-bytes'
import type { Manifest } from '../../manifest.ts'
import { Details } from './details.ts'

/** Rows for reports and the command line. */
export function describe(manifest: Manifest): [name: string, value: string][] {
  const { success, data } = Details.safeParse(manifest.details)
  if (!success) return []
  const { mode, method, why, frozen, downtime, dirty, inside, workspace, workspaceProblem } = data
  const rows: [string, string | undefined][] = [
    ['capture', `${mode}, ${method}: ${why}`],
    ['extent', extent(manifest.parent, data)],
    ['changed', dirty === null ? undefined : `${prettyBytes(dirty)} since ${manifest.parent ?? 'the last backup'}`],
    ['frozen', frozen === null ? 'not frozen' : `${frozen} ms`],
    ['downtime', downtime === null ? undefined : `${(downtime / 1000).toFixed(1)} s`],
    ['inside', inside === null ? undefined : `snapshot ${inside} in the disk of the domain itself, lost with it`],
    ['workspace', workspaceProblem ?? workspace?.path],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

/** A disk that was added, or whose changes are not known, is whole in an incremental backup too. */
function extent(parent: string | null, { images, inside }: Details): string | undefined {
  if (inside !== null) return undefined
  if (parent === null) return 'full'
  const whole = images.filter(image => image.parent === null).map(({ target }) => target)
  return `incremental on ${parent}${whole.length ? `, ${whole.join(' and ')} whole` : ''}`
}
