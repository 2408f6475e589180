/** `files` against the tool it stands on: seconds for a mixed tree, memory for a large one. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { capture, forget } from './capture.ts'
import { type Row, seconds, sideBySide } from './measure.ts'
import { diskPlace } from './place.ts'
import { scaled } from './scale.ts'
import { largeTree, mixedTree } from './trees.ts'

export const name = 'files: capture (select, measure, archive, listing, checksum, sync) against tar --zstd and sync'

export async function run(): Promise<Row[]> {
  return [await speed(), await memory()]
}

async function speed(): Promise<Row> {
  await using place = await diskPlace()
  const tree = join(place.path, 'tree')
  await mixedTree(tree)
  await execa('sync')
  const contest = { ours: () => ourSeconds(join(place.path, 'backups'), tree), peer: () => peerSeconds(place.path, tree) }
  await sideBySide({ ...contest, rounds: 1 })
  const figures = await sideBySide({ ...contest, rounds: 7 })
  return { claim: 'capture of a mixed tree of 500 MB', ...figures, unit: 's', limit: { atMost: 1.15 } }
}

async function ourSeconds(root: string, tree: string): Promise<number> {
  const took = await seconds(() => capture({ kind: 'files', options: { paths: [tree] }, root }))
  await forget({ root })
  return took
}

async function peerSeconds(directory: string, tree: string): Promise<number> {
  const archive = join(directory, 'tree.tar.zst')
  const took = await seconds(async () => {
    await execa('tar', ['--create', '--zstd', `--file=${archive}`, '--directory=/', tree.slice(1)])
    await execa('sync', ['--', archive])
  })
  await rm(archive)
  return took
}

/** By how much this process grows while another one reads, packs and sums: bytes do not pass through it. */
async function memory(): Promise<Row> {
  await using place = await diskPlace()
  const ours = await growth(place.path, scaled(5_000_000_000))
  const peer = await growth(place.path, scaled(500_000_000))
  const claim = 'memory that Node takes for 5 GB; the peer is the same for 0.5 GB'
  return { claim, ours, peer, ratio: ours / peer, unit: 'MB', limit: { atMost: 1.25 } }
}

async function growth(directory: string, bytes: number): Promise<number> {
  const [tree, root] = [join(directory, 'tree'), join(directory, 'backups')]
  await largeTree(tree, bytes)
  const program = join(import.meta.dirname, 'capture-process.ts')
  const asked = JSON.stringify({ kind: 'files', options: { paths: [tree] }, root })
  const { stdout } = await execa(process.execPath, [program, asked])
  await rm(tree, { recursive: true })
  await forget({ root })
  return Number(stdout) / 1e6
}
