/** How a domain was captured, for people. */
import prettyBytes from 'pretty-bytes'
import type { Manifest } from '../../manifest.ts'
import { Details } from './details.ts'

/** Rows for reports and the command line. */
export function describe(manifest: Manifest): [name: string, value: string][] {
  const { success, data } = Details.safeParse(manifest.details)
  if (!success) return []
  const { mode, method, why, frozen, downtime, inside, workspace, workspaceProblem, before } = data
  const still = mode === 'live' ? 'not at all' : undefined
  const rows: [string, string | undefined][] = [
    ['capture', `${mode}, ${method}: ${why}`],
    ['disks', disks(data) || undefined],
    ['found before', before && found(before)],
    ['extent', inside === null ? extent(manifest.parent, data) : `snapshot ${inside} inside the domain's own disks`],
    ['frozen', frozen === null ? still : `${frozen} ms`],
    ['downtime', downtime === null ? undefined : `${(downtime / 1000).toFixed(1)} s`],
    ['workspace', workspaceProblem ?? workspace?.path],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

function disks({ images, before }: Details): string {
  const kept = images.map(({ target, capacity, sourceFormat }) => `${target} ${prettyBytes(capacity)} ${sourceFormat}`)
  const omitted = before?.omitted.map(({ target, why }) => `${target} left out: ${why}`) ?? []
  return [...kept, ...omitted].join('; ')
}

/** A job of somebody else's would have stopped the backup. */
function found({ expected, free, encrypted, checkpoints }: NonNullable<Details['before']>): string {
  return [
    `${prettyBytes(expected)} to write and ${prettyBytes(free)} free`,
    'no job of others',
    checkpoints.length ? `checkpoints of others: ${checkpoints.join(', ')}` : 'no checkpoint of others',
    encrypted.length ? `encrypted: ${encrypted.join(', ')}` : 'no disk encrypted',
  ].join('; ')
}

/** A disk that was added, or whose changes are not known, is whole in an incremental backup too. */
function extent(parent: string | null, { images, dirty }: Details): string {
  if (parent === null) return 'full'
  const whole = images.filter(image => image.parent === null).map(({ target }) => target)
  const parts = [
    `incremental on ${parent}`,
    ...(dirty === null ? [] : [`${prettyBytes(dirty)} changed`]),
    ...(whole.length ? [`${whole.join(' and ')} whole`] : []),
  ]
  return parts.join(', ')
}
