import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { allEvents, TickData } from '../../bus/events.ts'
import { desk } from '../../functions/index.ts'
import { jsonSchema } from '../../infra/config.ts'
import { sources } from '../../infra/sources/all.ts'
import { root } from './tree.ts'

const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort()

test.each(documents)('every link in %s leads somewhere', path => {
  const broken = linksIn(readFileSync(join(root, path), 'utf8')).filter(link => !resolves(path, link))
  expect(broken).toEqual([])
})

test('a link to nowhere and a heading that is not there are seen', () => {
  expect(linksIn('[a](b.md) `[x](y)` ![c](<d e.png>)\n```\n[f](g)\n```\n[h]: i.md')).toEqual(['b.md', 'd e.png', 'i.md'])
  expect(resolves('docs/house.md', 'nowhere.md')).toBe(false)
  expect(resolves('docs/house.md', '#no-such-heading')).toBe(false)
  expect(resolves('docs/house.md', '#rooms')).toBe(true)
})

test('docs/events.md tells of every fact, every field of a tick and every request, and of no other', () => {
  const page = readFileSync(join(root, 'docs', 'events.md'), 'utf8')
  const facts = rowsBelow(page, '## Facts').flatMap(([type = '']) => namesIn(type))
  expect(facts.toSorted()).toEqual(allEvents.map(({ type }) => type).toSorted())
  const fields = rowsBelow(page, '## Ticks').flatMap(([field = '']) => namesIn(field).filter(name => name !== '{}'))
  expect(fields.toSorted()).toEqual(Object.keys(TickData.shape).toSorted())
  const requests = rowsBelow(page, '## Requests').flatMap(([subject = '']) => namesIn(subject))
  expect(requests.toSorted()).toEqual(desk.endpoints.map(({ name }) => `backup.${name}`).toSorted())
})

test.each(sources.map(({ kind, options }) => ({ kind, options })))(
  'docs/$kind.md speaks of every option',
  ({ kind, options }) => {
    const page = readFileSync(join(root, 'docs', `${kind}.md`), 'utf8')
    const keys = options instanceof z.ZodObject ? Object.keys(options.shape) : []
    expect(keys.filter(key => !new RegExp(`\\b${key}\\b`).test(page))).toEqual([])
  },
)

test.each(documents)('%s holds only configurations that are valid', async path => {
  const examples = readFileSync(join(root, path), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```/gm)
  for (const [, example = ''] of examples) expect(problemsOf(example), example).toEqual([])
})

/** What is wrong with a part of a configuration, whatever sections it leaves out. */
function problemsOf(example: string): string[] {
  const { error } = z.fromJSONSchema(jsonSchema()).safeParse(parse(example))
  return error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
}

/** The cells of the first table below a heading. */
function rowsBelow(markdown: string, heading: string): string[][] {
  const below = markdown.split(`\n${heading}\n`)[1]?.split(/^\|---.*\n/m)[1] ?? ''
  const rows = below.slice(0, below.search(/^(?!\|)/m)).split('\n')
  return rows.filter(row => row !== '').map(row => row.split('|').slice(1, -1))
}

function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
}

/** Targets of links and images, inline and by reference; what stands in code is no link. */
function linksIn(markdown: string): string[] {
  const prose = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, '').replace(/`[^`\n]*`/g, '')
  const inline = [...prose.matchAll(/\]\(\s*(?:<([^>]*)>|([^)\s]+))[^)]*\)/g)].map(([, angled, plain]) => angled ?? plain ?? '')
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)].map(([, target = '']) => target)
  return [...inline, ...references]
}

function resolves(from: string, link: string): boolean {
  if (/^[a-z]+:/i.test(link)) return true
  const [path = '', heading] = link.split('#')
  const target = path === '' ? join(root, from) : join(root, dirname(from), decodeURIComponent(path))
  if (!existsSync(target)) return false
  return heading === undefined || headingsOf(readFileSync(target, 'utf8')).includes(heading)
}

/** As GitHub names them. */
function headingsOf(markdown: string): string[] {
  const titles = [...markdown.matchAll(/^#{1,6}\s+(.+?)\s*$/gm)].map(([, title = '']) => title)
  return titles.map(title =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )
}
