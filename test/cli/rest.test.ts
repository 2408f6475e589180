import { expect, test } from 'vitest'
import { givingBack } from '../../cli/rest.ts'

/** As much as is worth a collection, and then some. */
function litter(): WeakRef<object> {
  return new WeakRef(Array.from({ length: 500_000 }, (_, index) => ({ index })))
}

const isGone = (litter: WeakRef<object>) => litter.deref() === undefined

test('what work left behind is given back once nobody works', async () => {
  const left = litter()
  using _ = givingBack({ every: 50 })
  await expect.poll(() => isGone(left), { timeout: 10_000, interval: 200 }).toBe(true)
})

test('and again after the next work', async () => {
  using _ = givingBack({ every: 50 })
  const first = litter()
  await expect.poll(() => isGone(first), { timeout: 10_000, interval: 200 }).toBe(true)
  const second = litter()
  await expect.poll(() => isGone(second), { timeout: 10_000, interval: 200 }).toBe(true)
})
