/** Many paths as arguments of one program. */

/** Kept well below what any kernel takes as one command's arguments, bytes. */
const MAXIMUM = 64 * 1024

/** The paths in their order, in as few commands as take them. */
export function argumentBatches(paths: readonly string[]): string[][] {
  const all: string[][] = []
  let room = 0
  for (const path of paths) {
    const bytes = Buffer.byteLength(path) + 1
    if (bytes > room) {
      all.push([])
      room = MAXIMUM
    }
    all.at(-1)?.push(path)
    room -= bytes
  }
  return all
}
