/** Drivers that do nothing, to see what the chain itself costs. */
import { z } from 'zod'
import { defineSource } from '../infra/sources/source.ts'
import type { Kinds } from '../infra/tools.ts'
import { defineVault } from '../infra/vaults/vault.ts'

const source = defineSource({
  kind: 'nothing',
  summary: 'Captures nothing.',
  options: z.strictObject({}),
  snapshot: async () => ({ consistency: { asked: 'none', achieved: 'none' }, expected: 0, held: null, tools: {} }),
  export: async () => ({
    artifacts: [],
    captured: { from: new Date(), to: new Date() },
    consistency: { asked: 'none', achieved: 'none' },
    parent: null,
    details: {},
    instructions: 'There is nothing to restore.\n',
  }),
  verify: async () => [],
  stage: async () => ({ replacements: [], leftOut: false, scratch: [], checks: [] }),
})

const vault = defineVault({
  kind: 'nothing',
  summary: 'Keeps nothing.',
  options: z.strictObject({}),
  open: name => ({
    name,
    host: undefined,
    put: async ({ directory, manifest }) => ({ vault: name, at: new Date().toISOString(), directory, bytes: manifest.bytes }),
    list: async () => [],
    get: async () => {},
    check: async () => {},
    remove: async () => {},
    annotate: async () => {},
    space: async () => ({ free: 0, total: 0 }),
  }),
})

export const idleKinds: Kinds = { source: () => source, vault: () => vault }
