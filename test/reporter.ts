import { writeFileSync } from 'node:fs'
import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { z } from 'zod'

/** What a run of the tests came to. */
export const Outcome = z.object({
  passed: z.number(),
  failed: z.number(),
  /** One line per test: its name, and why where it said so. */
  skipped: z.array(z.string()),
})
export type Outcome = z.infer<typeof Outcome>

/** Where the reporter writes the outcome; unset: nowhere. */
export const OUTCOME_FILE = 'TEST_OUTCOME_FILE'

/** Writes what really happened for `test/run.ts`; a file that could not be loaded and an error outside any test are failures too. */
export default class OutcomeReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const path = process.env[OUTCOME_FILE]
    if (path) writeFileSync(path, JSON.stringify(outcomeOf(modules, unhandled.length)))
  }
}

function outcomeOf(modules: readonly TestModule[], unhandled: number): Outcome {
  const tests = modules.flatMap(module => [...module.children.allTests()])
  const inState = (state: string) => tests.filter(test => test.result().state === state)
  return {
    passed: inState('passed').length,
    failed:
      inState('failed').length +
      inState('pending').length +
      modules.map(errorsOutsideTests).reduce((sum, count) => sum + count, unhandled),
    skipped: inState('skipped').map(describe),
  }
}

/** A hook that fails takes its tests with it: they are never run and must not look skipped. */
function errorsOutsideTests(module: TestModule): number {
  const suites = [...module.children.allSuites()]
  return module.errors().length + suites.reduce((sum, suite) => sum + suite.errors().length, 0)
}

function describe(test: TestCase): string {
  const result = test.result()
  const reason = result.state === 'skipped' && result.note ? ` (${result.note})` : ''
  return `${test.module.relativeModuleId}: ${test.fullName}${reason}`
}
