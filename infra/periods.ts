/** Calendar periods of a time zone, by name. */

export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'quarterly' | 'yearly'

/** The periods, shortest first. */
export const periods: readonly Period[] = ['hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly']

/** The period a moment lies in: `2026-11-21 14h`, `2026-11-21`, `2026-W47` (ISO), `2026-11`, `2026-Q4`, `2026`. */
export function periodOf(period: Period, at: Date, zone: string): string {
  const { year, month, day, hour } = localParts(at, zone)
  if (period === 'hourly') return `${year}-${month}-${day} ${hour}h`
  if (period === 'daily') return `${year}-${month}-${day}`
  if (period === 'weekly') return isoWeek(Number(year), Number(month), Number(day))
  if (period === 'monthly') return `${year}-${month}`
  if (period === 'quarterly') return `${year}-Q${Math.ceil(Number(month) / 3)}`
  return year
}

interface Parts {
  year: string
  month: string
  day: string
  hour: string
}

const formats = new Map<string, Intl.DateTimeFormat>()

function localParts(at: Date, zone: string): Parts {
  const format = formats.get(zone) ?? newFormat(zone)
  formats.set(zone, format)
  const found: Record<string, string> = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
  return { year: found.year ?? '', month: found.month ?? '', day: found.day ?? '', hour: found.hour ?? '' }
}

function newFormat(zone: string): Intl.DateTimeFormat {
  const options = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', hourCycle: 'h23' } as const
  return new Intl.DateTimeFormat('en-US', { timeZone: zone, ...options })
}

/** ISO 8601: the week belongs to the year of its Thursday; week 1 has the year's first Thursday. */
function isoWeek(year: number, month: number, day: number): string {
  const date = new Date(Date.UTC(year, month - 1, day))
  const thursday = new Date(date.getTime() + (4 - (date.getUTCDay() || 7)) * 86_400_000)
  const firstOfYear = Date.UTC(thursday.getUTCFullYear(), 0, 1)
  const week = Math.floor((thursday.getTime() - firstOfYear) / (7 * 86_400_000)) + 1
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`
}
