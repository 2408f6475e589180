import { PNG } from 'pngjs'
import { expect, test } from 'vitest'
import { isBlank, toPng } from '../../../infra/tools/picture.ts'

const ppm = (pixels: number[], header = 'P6\n2 2\n255\n') => Buffer.concat([Buffer.from(header), Buffer.from(pixels)])
const black = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

test('what older QEMU draws becomes the same picture as PNG', () => {
  const png = toPng(ppm([255, 0, 0, ...black.slice(3)]))
  const { width, height, data } = PNG.sync.read(Buffer.from(png))
  expect({ width, height, first: [...data.subarray(0, 8)] }).toEqual({
    width: 2,
    height: 2,
    first: [255, 0, 0, 255, 0, 0, 0, 255],
  })
  expect(toPng(png)).toBe(png)
})

test('a screen of one colour is blank, one other point is enough', () => {
  expect(isBlank(toPng(ppm(black)))).toBe(true)
  expect(isBlank(toPng(ppm([...black.slice(0, 11), 1])))).toBe(false)
})

test('a comment in the header is none of the points, and what is no picture is refused', () => {
  expect(isBlank(toPng(ppm(black, 'P6\n# by hand\n2 2\n255\n')))).toBe(true)
  for (const bad of [ppm([0]), Buffer.from('GIF89a')]) expect(() => toPng(bad)).toThrow('neither PNG nor PPM')
})
