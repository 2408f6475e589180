/** The one thing people and CI run: lint, types, tests. Its last line says what came of them. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { OUTCOME_FILE, Outcome } from './reporter.ts'

/** What takes long: real processes killed in turn, a package installed anew. */
const slow = ['test/chaos/**', 'test/house/package.test.ts', '**/*.slow.test.ts']

const binaries = join(import.meta.dirname, '..', 'node_modules', '.bin')

function main(given: readonly string[]): number {
  const fast = given.includes('--fast')
  const filters = given.filter(argument => argument !== '--fast')
  const checks = filters.length > 0 ? [] : [passes('lint', 'biome', ['ci', '.']), passes('types', 'tsc', ['-p', '.'])]
  const tests = runTests([...(fast ? slow.flatMap(pattern => ['--exclude', pattern]) : []), ...filters])
  const failed = tests.failed + checks.filter(passed => !passed).length
  const passed = tests.passed + checks.filter(passed => passed).length
  for (const skipped of tests.skipped) say(`skipped: ${skipped}`)
  say(`${passed} passed, ${failed} failed, ${tests.skipped.length} skipped`)
  return failed > 0 || passed === 0 ? 1 : 0
}

function passes(name: string, program: string, args: readonly string[]): boolean {
  say(`\n${name}: ${program} ${args.join(' ')}`)
  return run(program, args) === 0
}

function runTests(args: readonly string[]): Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const file = join(directory, 'outcome.json')
  try {
    const code = run('vitest', ['run', ...args], { [OUTCOME_FILE]: file })
    const outcome = Outcome.parse(JSON.parse(readFileSync(file, 'utf8')))
    return code !== 0 && outcome.failed === 0 ? { ...outcome, failed: 1 } : outcome
  } catch (error) {
    say(`The tests did not come to an end: ${String(error)}`)
    return { passed: 0, failed: 1, skipped: [] }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function run(program: string, args: readonly string[], env: Record<string, string> = {}): number {
  const PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)
  const { status, error } = spawnSync(join(binaries, program), args, { stdio: 'inherit', env: { ...process.env, ...env, PATH } })
  if (error) say(`${program}: ${error.message}. Run "npm ci" first.`)
  return status ?? 1
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = main(process.argv.slice(2))
