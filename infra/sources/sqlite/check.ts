/** What can be proven about a database file nobody writes to. Nothing is written beside it. */
import { VerificationFailed } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { identifier, immutable, type Session, session } from '../../tools/sqlite.ts'

/** A table's name and its number of rows. */
export type Rows = [table: string, rows: number][]

const MAGIC = 'SQLite format 3\0'

/** Names of ordinary tables; virtual ones keep their rows in these. */
const TABLES = "FROM sqlite_master WHERE type='table' AND rootpage>0 ORDER BY name"

/** SQL that prints the SQL that counts every table: one run of it in the same transaction sees the same tables. */
export const COUNTING = `SELECT 'SELECT '''||hex(name)||' ''||count(*) FROM "'||replace(name,'"','""')||'";' ${TABLES};`

/** What the counting printed. */
export function parseRows(lines: readonly string[]): Rows {
  return lines.flatMap(line => {
    const match = /^([0-9A-F]*) (\d+)$/.exec(line)
    return match ? [[text(match[1] ?? ''), Number(match[2])] satisfies Rows[number]] : []
  })
}

/** Whether the file begins as every SQLite database does. */
export async function hasHeader(host: Host, path: string): Promise<boolean> {
  const { bytes } = await host.run(['head', '-c', '16', '--', path])
  return Buffer.from(bytes).toString('latin1') === MAGIC
}

/** Rows of every table. */
export async function countRows(host: Host, path: string, signal: AbortSignal): Promise<Rows> {
  const count = (name: string) =>
    `SELECT '${Buffer.from(name).toString('hex').toUpperCase()} '||count(*) FROM ${identifier(name)};`
  return parseRows(await lines(host, path, ['.bail off', ...(await tables(host, path, signal)).map(count)], signal))
}

/** Rows whose parent is missing; undefined where the schema does not let SQLite tell. */
export async function foreignKeyViolations(host: Host, path: string, signal: AbortSignal): Promise<number | undefined> {
  const { ok, stdout } = await session(host, immutable(path), ['SELECT count(*) FROM pragma_foreign_key_check;'], { signal })
  return ok ? Number(stdout.trim()) : undefined
}

/** `PRAGMA integrity_check`. Throws `VerificationFailed` with its first lines. Returns what was checked, for people. */
export async function checkIntegrity(
  host: Host,
  path: string,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<string> {
  const whole = await session(host, immutable(path), ['PRAGMA integrity_check(20);'], { signal })
  if (isUnknown(whole)) return await checkTables(host, path, signal, warn)
  if (!whole.ok || whole.stdout.trim() !== 'ok') throw notIntact(path, `${whole.stdout}\n${whole.stderr}`)
  return 'ok'
}

/** An index on a function or collation of the program's own: SQLite's checks stop there, so the other tables are checked one by one. */
async function checkTables(host: Host, path: string, signal: AbortSignal, warn: (message: string) => void): Promise<string> {
  const names = await tables(host, path, signal)
  const unchecked: string[] = []
  for (const name of names) {
    const one = await session(host, immutable(path), [`PRAGMA quick_check(${identifier(name)});`], { signal })
    if (isUnknown(one)) unchecked.push(`${name} (${one.stderr.split('\n')[0]})`)
    else if (!one.ok || one.stdout.trim() !== 'ok') throw notIntact(path, `${one.stdout}\n${one.stderr}`)
  }
  warn(
    `${path}: the schema uses functions or collations that only its program has; indexes could not be compared with their tables`,
  )
  if (unchecked.length) warn(`${path}: tables that could not be checked: ${unchecked.slice(0, 10).join(', ')}`)
  return `quick_check ok for ${names.length - unchecked.length} of ${names.length} tables`
}

async function tables(host: Host, path: string, signal: AbortSignal): Promise<string[]> {
  const found = await lines(host, path, [`SELECT 't'||hex(name) ${TABLES};`], signal)
  return found.map(line => text(line.slice(1)))
}

async function lines(host: Host, path: string, script: string[], signal: AbortSignal): Promise<string[]> {
  const answer = await session(host, immutable(path), script, { signal })
  if (!answer.ok && !isUnknown(answer)) throw notIntact(path, answer.stderr)
  return answer.stdout.split('\n').filter(line => line !== '')
}

function isUnknown({ ok, stderr }: Session): boolean {
  return !ok && /unknown function|no such (function|collation|module)|unknown tokenizer/.test(stderr)
}

function notIntact(path: string, problems: string): VerificationFailed {
  const lines = problems.split('\n').filter(line => line.trim() !== '')
  return new VerificationFailed(`${path} is not an intact database: ${lines.slice(0, 5).join('; ')}`, {
    hint: 'This copy cannot be restored as it is. Check the source with `PRAGMA integrity_check`, and use another backup.',
  })
}

function text(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8')
}
