import { execa } from 'execa'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoted, quotedPath, sshCommand } from '../../../infra/tools/ssh.ts'
import { available } from '../../services/requires.ts'

const odd = fc.array(fc.string({ unit: fc.constantFrom(...'\'\\"$`!*?[]{}();&|<>~#=%^ \t\n-aä'.split('')), maxLength: 12 }), {
  minLength: 1,
})

describe.each(['sh', 'bash'])('what is quoted for %s', shell => {
  test.skipIf(!available(shell))('arrives as it was', async () => {
    const words = fc.sample(odd, 100).flat()
    const { stdout } = await execa(shell, ['-c', `printf '%s\\0' ${words.map(quoted).join(' ')}`], { stripFinalNewline: false })
    expect(stdout.split('\0').slice(0, -1)).toEqual(words)
  })

  test.skipIf(!available(shell))('is below the home only where it begins with ~/', async () => {
    const paths = ['~/it is $HOME', '~root', '~', 'a/~/b', '~/']
    const { stdout } = await execa(shell, ['-c', `printf '%s\\n' ${paths.map(quotedPath).join(' ')}`], {
      env: { HOME: '/home/zeus' },
    })
    expect(stdout.split('\n')).toEqual(['/home/zeus/it is $HOME', '~root', '~', 'a/~/b', '/home/zeus/'])
  })
})

test('no name is an option', () => {
  const argv = sshCommand({ address: '-oProxyCommand=x', user: '-x', port: 22 }, 'true')
  expect(argv.slice(-5)).toEqual(['-l', '-x', '--', '-oProxyCommand=x', 'true'])
})
