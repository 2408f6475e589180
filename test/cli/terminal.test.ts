import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { advanceText } from '../../cli/live.ts'
import { away, span } from '../../cli/print.ts'
import { requires } from '../services/requires.ts'
import { furnish, launcher, makePlace, type Place } from './holdfast.ts'

requires(
  'script',
  'nats-server',
  'rsync',
  'sqlite3',
  'tar',
  'zstd',
)('at a terminal', () => {
  let place: Place

  beforeAll(async () => {
    place = await makePlace()
    await furnish(place)
    await place.holdfast(['up', '--once'])
  })
  afterAll(() => place.remove())

  /** `script` is the terminal; keys are typed once the question stands there. */
  async function typed(command: string, question: string, keys: string) {
    const child = execa('script', ['-qec', `${process.execPath} ${launcher} ${command}`, '/dev/null'], {
      cwd: place.path,
      env: { HOME: place.path, XDG_STATE_HOME: `${place.path}/state`, TERM: 'xterm' },
      reject: false,
      timeout: 20_000,
    })
    let said = ''
    child.stdout.on('data', chunk => {
      said += String(chunk)
    })
    await expect.poll(() => said, { timeout: 15_000 }).toContain(question)
    // The question is drawn before keys are listened to.
    await sleep(100)
    child.stdin.end(keys)
    const { exitCode } = await child
    return { exitCode, said }
  }

  test('restore asks, and no means no', async () => {
    const { exitCode, said } = await typed('restore letters', 'Restore it?', 'n\r')
    expect(said).toContain('nothing was restored')
    expect(exitCode).toBe(130)
  })

  test('restore asks, and yes means yes', async () => {
    const { exitCode, said } = await typed('restore letters', 'Restore it?', 'y\r')
    expect(said).toMatch(/letters-\S+ .* restored/)
    expect(exitCode).toBe(0)
  })

  test('run without a source offers all there are', async () => {
    const { exitCode, said } = await typed('run', 'What should be backed up?', '\r')
    expect(said).toContain('all of them')
    expect(exitCode).toBe(3)
  })
})

describe('progress', () => {
  test('says how much, how fast and how long it still takes', () => {
    const before = { step: 'export', source: 'notes', bytes: 90_000_000, total: 400_000_000, ms: 14_000 }
    expect(advanceText({ ...before, bytes: 100_000_000, ms: 15_000 }, before)).toBe(
      'notes  export  100 MB of 400 MB  25 %  10 MB/s  30 s left',
    )
  })

  test('promises no end where none is known, nor where more comes than was expected', () => {
    expect(advanceText({ step: 'export', source: 'a', bytes: 5_000, ms: 1_000 })).toBe('a  export  5 kB')
    expect(advanceText({ step: 'export', source: 'a', bytes: 5_000, total: 4_000, ms: 0 })).toBe('a  export  5 kB of 4 kB  99 %')
  })

  test('ages are said in one unit', () => {
    expect([0, 59, 119, 120, 7_199, 7_200, 172_800].map(span)).toEqual(['0 s', '59 s', '119 s', '2 min', '119 min', '2 h', '2 d'])
    expect(away(new Date(1_000), 61_000)).toBe('60 s ago')
    expect(away(new Date(1_000_000), 0)).toBe('in 16 min')
  })
})
