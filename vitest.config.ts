import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Two at a time: each file may start servers of its own. Nothing is retried: a test that passes sometimes is broken. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: [join(import.meta.dirname, 'test/setup.ts')],
    reporters: ['default', join(import.meta.dirname, 'test/reporter.ts')],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    retry: 0,
    allowOnly: false,
  },
})
