/** Which backups stay: restic's `forget`, extended by quarters, a floor and holds. Pure. */
import { z } from 'zod'
import { Duration } from './duration.ts'

const whole = 'expected a whole number from 0 to 100000'
const count = z.int(whole).min(0, whole).max(100_000, whole)

/** Each rule by itself keeps the newest of each period that has one; the results are joined. Numbers count periods that have a backup. */
export const Policy = z
  .strictObject({
    last: count.describe('The newest backups.').optional(),
    hourly: count.describe('The newest of each hour.').optional(),
    daily: count.describe('The newest of each day.').optional(),
    weekly: count.describe('The newest of each ISO week.').optional(),
    monthly: count.describe('The newest of each month.').optional(),
    quarterly: count.describe('The newest of each quarter.').optional(),
    yearly: count.describe('The newest of each year.').optional(),
    /** Milliseconds before the newest backup. */
    within: Duration.describe('Everything as young as this, counted from the newest backup.').optional(),
    forever: z.boolean().describe('Everything.').optional(),
    /** No rule takes the number of verified backups below this. */
    atLeast: count.describe('No rule takes the number of verified backups below this.').optional(),
  })
  .refine(policy => !isEmpty(policy), {
    error: 'keeps nothing; expected a rule such as {daily: 7} or {forever: true}',
    when: ({ issues }) => issues.length === 0,
  })
export type Policy = z.output<typeof Policy>

/** Whether no rule keeps anything. The floor alone is no rule. */
export function isEmpty({ atLeast: _, ...rules }: Record<string, number | boolean | undefined>): boolean {
  return Object.values(rules).every(rule => !rule)
}
