import { join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const rest = join(import.meta.dirname, '..', '..', 'cli', 'rest.ts')

/** Works twice, rests after each until nothing is left or for so many looks, and tells after which something was. A process of its own: nobody else works there. */
async function leftBy(worker: string, looks: number): Promise<unknown> {
  const script = `
    import { setTimeout as sleep } from 'node:timers/promises'
    import { givingBack } from ${JSON.stringify(rest)}
    const work = () => new WeakRef(Array.from({ length: 200_000 }, (_, index) => ({ index })))
    ${worker}
    const left = []
    for (const round of ['first', 'second']) {
      const remains = work()
      for (let look = 0; look < ${looks} && remains.deref(); look++) await sleep(100)
      if (remains.deref()) left.push(round)
    }
    console.log(JSON.stringify(left))`
  const { stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script])
  return JSON.parse(stdout)
}

test('what work left in memory is given back at rest, every time', async () => {
  expect(await leftBy('givingBack({ every: 20 })', 100)).toEqual([])
})

test('the engine by itself keeps it', async () => {
  expect(await leftBy('', 10)).toEqual(['first', 'second'])
})
