/** Compares a stored database with what was recorded when it was captured. */
import { VerificationFailed } from '../../errors.ts'
import type { Check } from '../../manifest.ts'
import type { StoredWork } from '../source.ts'
import { countRows, foreignKeyViolations, type Rows } from './check.ts'

/** Rows that broke a foreign key in the source are the user's data as it was; more or fewer are damage. */
export async function compareForeignKeys(
  { host, signal }: StoredWork<unknown>,
  path: string,
  recorded: number | null,
): Promise<Check> {
  const found = await foreignKeyViolations(host, path, signal)
  if (recorded !== null && found !== recorded) {
    throw new VerificationFailed(
      `${path}: ${found ?? 'an unknown number of'} rows break a foreign key; ${recorded} did when it was captured`,
    )
  }
  const result =
    found === undefined ? 'the schema does not let SQLite tell' : found ? `${found} rows break one, as in the source` : 'ok'
  return { name: 'foreign_key_check', result }
}

/** Every table has as many rows as the transaction that copied it saw. */
export async function compareRows({ host, signal }: StoredWork<unknown>, path: string, recorded: Rows | null): Promise<Check> {
  const name = 'row counts'
  if (!recorded) return { name, result: 'not recorded when it was captured' }
  const found = new Map(await countRows(host, path, signal))
  const wrong = recorded.filter(([table, rows]) => found.get(table) !== rows)
  if (wrong.length) {
    const lines = wrong.slice(0, 5).map(([table, rows]) => `${table} has ${found.get(table) ?? 'no'} rows, ${rows} were captured`)
    throw new VerificationFailed(`${path}: ${lines.join('; ')}`)
  }
  return { name, result: `${recorded.length} tables, ${recorded.reduce((sum, [, rows]) => sum + rows, 0)} rows` }
}
