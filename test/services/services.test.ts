import { access } from 'node:fs/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { makeDirectory, temporaryDirectory } from './directory.ts'
import { available, requires } from './requires.ts'

afterEach(() => vi.unstubAllEnvs())

describe('requires', () => {
  test('what is there is tested', () => {
    vi.stubEnv('CI', 'true')
    expect(available('sh', 'cat', '/etc/passwd')).toBe(true)
    expect(requires('sh')).toBe(describe)
  })

  test('on a laptop what is missing is skipped aloud', () => {
    vi.stubEnv('CI', '')
    const warn = vi.spyOn(console, 'warn').mockReturnValue()
    expect(available('sh', 'no-such-program')).toBe(false)
    expect(requires('sh', 'no-such-program')).not.toBe(describe)
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('no-such-program'))
    warn.mockRestore()
  })

  test('in CI it is a failure', () => {
    vi.stubEnv('CI', 'true')
    expect(() => requires('no-such-program')).toThrow('no-such-program')
    expect(() => requires('/no/such/file')).toThrow('/no/such/file')
  })
})

describe('a temporary directory', () => {
  let last = ''

  test('is there while the test runs', async () => {
    last = await temporaryDirectory()
    await access(last)
  })

  test('is gone after it', async () => {
    await expect(access(last)).rejects.toThrow('ENOENT')
  })

  test('can belong to a block', async () => {
    await using directory = await makeDirectory()
    await access(directory.path)
    last = directory.path
  })

  test('and goes with it', async () => {
    await expect(access(last)).rejects.toThrow('ENOENT')
  })
})
