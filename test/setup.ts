/** Before each test file: the right Node, and nothing of the person who runs it, neither their state nor their secrets. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

if (Number.parseInt(process.versions.node, 10) < 24) {
  throw new Error(`The tests run on Node 24 or newer and this is ${process.versions.node}. Run "npm ci", then "npm test".`)
}

for (const name of Object.keys(process.env)) {
  if (/^(HOLDFAST|NATS|RESTIC)_/.test(name)) delete process.env[name]
}

const state = mkdtempSync(join(tmpdir(), 'holdfast-state-'))
process.env.XDG_STATE_HOME = state
process.umask(0o022)

afterAll(() => rmSync(state, { recursive: true, force: true }))
