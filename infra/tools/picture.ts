/** Pictures of a guest's screen. */
import { PNG } from 'pngjs'
import { HoldfastError } from '../errors.ts'

/** PNG, as newer QEMU draws it, or PPM, as older ones do. The answer is PNG. */
export function toPng(bytes: Uint8Array): Uint8Array {
  if (isPng(bytes)) return bytes
  const { width, height, pixels } = readPpm(bytes)
  const png = new PNG({ width, height })
  for (let at = 0; at < width * height; at++) {
    png.data.set(pixels.subarray(at * 3, at * 3 + 3), at * 4)
    png.data[at * 4 + 3] = 255
  }
  return PNG.sync.write(png)
}

/** Whether every point of a PNG has the same colour. */
export function isBlank(png: Uint8Array): boolean {
  const { data } = PNG.sync.read(Buffer.from(png))
  const points = new Uint32Array(data.buffer, data.byteOffset, data.length / 4)
  return points.every(point => point === points[0])
}

function isPng(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 8)).equals(Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]))
}

/** The binary kind with a byte for each colour: `P6 720 400 255`. */
function readPpm(bytes: Uint8Array): { width: number; height: number; pixels: Uint8Array } {
  const header = /^P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s/.exec(Buffer.from(bytes.subarray(0, 512)).toString('latin1'))
  const [width, height] = [Number(header?.[1]), Number(header?.[2])]
  const pixels = bytes.subarray(header?.[0].length ?? 0)
  if (!header || pixels.length < width * height * 3) throw new HoldfastError('the picture of the screen is neither PNG nor PPM')
  return { width, height, pixels }
}
