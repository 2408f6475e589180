import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { referenceOf } from '../../infra/config/reference.ts'
import { configurationReference } from '../../infra/config.ts'

const committed = new URL('../../docs/configuration.md', import.meta.url)

test('the committed reference is the one of this code; if not: npx holdfast schema --markdown > docs/configuration.md', async () => {
  expect(await readFile(committed, 'utf8')).toBe(configurationReference())
})

test('every key is there with its values, its default and what it is for', () => {
  const schema = z.strictObject({
    settings: z
      .strictObject({
        mode: z.enum(['quick', 'thorough']).describe('How.').default('quick'),
        inner: z
          .strictObject({ level: z.int().min(1).max(9).describe('How hard.') })
          .describe('More.')
          .optional(),
      })
      .describe('What rarely changes.'),
  })
  const page = referenceOf(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }))
  expect(page.slice(page.indexOf('## settings'))).toBe(
    [
      '## settings',
      '',
      'What rarely changes.',
      '',
      '| key | value | meaning |',
      '|---|---|---|',
      '| `mode` | `quick` or `thorough` | How. Default: `quick`. |',
      '| `inner` | see below | More. |',
      '| `inner.level` | number from 1 to 9 | **Required.** How hard. |',
      '',
    ].join('\n'),
  )
})
