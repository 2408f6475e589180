import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import picomatch from 'picomatch'
import { expect, test } from 'vitest'
import { localHost } from '../../../infra/hosts/local.ts'
import { outermost, searchAll } from '../../../infra/tools/find.ts'
import { isPattern, patternProblem } from '../../../infra/tools/glob.ts'
import { temporaryDirectory } from '../../services/directory.ts'

const names = ['a', 'b', 'ab', '.a', 'a.b', 'a+', '(a)', '-', 'A']

/** Where ours differ: a trailing `**` is not the directory itself, `(` is no group, `+` no quantifier. */
test('finds what picomatch matches', async () => {
  const tree = await temporaryDirectory()
  const all: string[] = []
  for (const one of names) for (const two of names) for (const three of names.slice(0, 4)) all.push(join(one, two, three))
  for (const path of all) await mkdir(join(tree, path), { recursive: true })
  const paths = [...new Set(all.flatMap(path => path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))))]
  const piece = fc.constantFrom('a', 'b', '.', '+', '-', '*', '?', '[ab]', '[!a]', '[^b-]', '[a-z]', '(', '\\*')
  const segment = fc.oneof(
    { weight: 4, arbitrary: fc.array(piece, { minLength: 1, maxLength: 3 }).map(parts => parts.join('')) },
    { weight: 1, arbitrary: fc.constant('**') },
  )
  const pattern = fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .filter(parts => !parts.some(part => /^\.+$|\*\*.|.\*\*/.test(part)))
  const property = fc.asyncProperty(pattern, async parts => {
    const glob = parts.join('/')
    fc.pre(isPattern(glob))
    const matches = picomatch(glob.replace(/[(+]/g, '\\$&').replaceAll('[!', '[^').replace(/\*\*$/, '**/*'), {
      dot: true,
      nobrace: true,
      noextglob: true,
      nonegate: true,
    })
    const expected = outermost(paths.filter(path => matches(path)).map(path => join(tree, path)))
    const [search] = await searchAll(localHost(), [`${tree}/${glob}`], new AbortController().signal)
    expect(outermost(search?.found.map(({ path }) => path) ?? [])).toEqual(expected)
  })
  await fc.assert(property, { numRuns: 150 })
})

test.each(['/a/[ä]', '/a/[!ü-x]b'])('refuses %s, whose brackets hold more than one byte for a character', pattern => {
  expect(patternProblem(pattern)).toContain('ASCII')
})
test.each(['/ä*', '/a/[', '/a/[a]ö', '/[]a]'])('takes %s', pattern => {
  expect(patternProblem(pattern)).toBeUndefined()
})
