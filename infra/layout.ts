/** Where things lie on disk and what they are called. The layout is public: docs/vault-format.md. */
import { join } from 'node:path'

export const MANIFEST = 'manifest.json'
export const VERIFIED = 'verified.json'
export const FAILED = 'failed.json'
export const COPIES = 'copies.json'
export const HOLD = 'hold.json'
/** A directory. */
export const DRILLS = 'drills'
export const REPORT = 'report.md'
export const RESTORE = 'RESTORE.md'

/** `zeus`, 2026-11-21T02:00:00.000Z → `zeus-20261121T020000Z` */
export function backupId(source: string, at: Date): string {
  return `${source}-${compact(at)}`
}

/** The source and the point in time of an id; undefined where it is none. */
export function parseBackupId(id: string): { source: string; at: Date } | undefined {
  const match = /^([a-z0-9][a-z0-9_-]*)-(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(id)
  if (!match) return undefined
  const [, source = '', year, month, day, hour, minute, second] = match
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(at.getTime()) ? undefined : { source, at }
}

/**
 * The name of a backup's directory in its day's: `zeus-20261121T020000Z` → `zeus-020000Z`. Where the id's UTC date is another than
 * the day, the id itself: a day of 25 hours, or of two zones, has one time of day on two dates.
 */
export function directoryName({ id, day }: { id: string; day: string }): string {
  return id.replace(`-${day.replaceAll('-', '')}T`, '-')
}

/** The source that a backup's directory name speaks of; undefined where it is none. */
export function sourceOfDirectory(name: string): string | undefined {
  return /^([a-z0-9][a-z0-9_-]*)-(?:\d{8}T)?\d{6}Z$/.exec(name)?.[1]
}

/** `<root>/<day>/<source>-<HHMMSS>Z`, see `directoryName`. */
export function backupDirectory(root: string, backup: { id: string; day: string }): string {
  return join(root, backup.day, directoryName(backup))
}

/** The directory a backup is written to before it is one. The fence keeps two writers apart. */
export function partialDirectory(root: string, backup: { id: string; day: string }, fence: string | number): string {
  return join(root, backup.day, `.${directoryName(backup)}.partial-${fence}`)
}

/** Whether a directory name is somebody's unfinished work, and on which backup directory. */
export function unfinished(name: string): { of: string; state: 'partial' | 'removing' } | undefined {
  if (!name.startsWith('.')) return undefined
  const match = /^\.(.+)\.(partial|removing)-[0-9a-z-]+$/.exec(name)
  return match?.[1] ? { of: match[1], state: match[2] === 'partial' ? 'partial' : 'removing' } : undefined
}

/** The calendar date of a moment in a time zone: `2026-11-21`. */
export function dayIn(zone: string, at: Date): string {
  const parts = calendarOf(zone).formatToParts(at)
  const part = (type: string) => parts.find(({ type: found }) => found === type)?.value ?? ''
  return `${part('year')}-${part('month')}-${part('day')}`
}

const calendars = new Map<string, Intl.DateTimeFormat>()

/** Kept: making one costs a hundred times as much as asking it. */
function calendarOf(timeZone: string): Intl.DateTimeFormat {
  const kept = calendars.get(timeZone)
  if (kept) return kept
  const calendar = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  calendars.set(timeZone, calendar)
  return calendar
}

function compact(at: Date): string {
  return at
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d{3}/, '')
}
