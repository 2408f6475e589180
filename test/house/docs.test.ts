import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
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
