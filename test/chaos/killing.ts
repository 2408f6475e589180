/** One case of a worker that is killed: a run or a restore that it begins, and that another worker ends. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { events } from '../../bus/events.ts'
import { store } from '../../bus/facts.ts'
import { type Doomed, startDoomed } from './process.ts'
import { countFacts, expectSameTree, expectWholeRun, heard, leftovers, once, rowsOf, settled, tick, wholeRun } from './proof.ts'
import { type Address, openWatcher, openWorker, type Worker } from './running.ts'
import { makeScene, type Scene } from './scene.ts'

export interface Case {
  step: string
  at: string
  source: string
}

/** Makes a scene of its own below `home`, lets a worker die there, has another one finish, and proves that nothing of it shows. */
export async function killedAt(server: Address, home: string, { step, at, source }: Case): Promise<void> {
  const prefix = `${step}-${at}-${source}`.replaceAll(/[^a-z0-9]+/g, '-')
  const directory = join(home, prefix)
  await mkdir(directory)
  const scene = await makeScene(directory, { prefix })
  const watcher = await openWatcher(server, scene.configuration)
  const doomed = await startDoomed(directory, { url: server.url, configuration: scene.configuration, point: { step, at } })
  try {
    await tick(watcher.cell, { sources: [source] })
    if (step === 'restore') await askRestore(watcher, scene, source)
    await expectDeath(doomed, `${step} came to ${at}`)
    const worker = await openWorker(server, scene.configuration)
    await (step === 'restore' ? expectRestored(worker, scene, source) : expectDone(worker, scene, source)).finally(worker.stop)
  } finally {
    await doomed.kill()
    await watcher.stop()
  }
}

async function expectDeath(doomed: Doomed, how: string): Promise<void> {
  expect(await Promise.race([doomed.ended, sleep(30_000, 'it lives', { ref: false })]), how).toBe('SIGKILL')
  expect(await doomed.orphans()).toEqual([])
}

export async function expectDone(worker: Worker, scene: Scene, source: string): Promise<void> {
  const report = await heard(worker, events.report.done, source)
  await settled(worker)
  await expectWholeRun(worker, scene, report)
}

/** Asked for once the run is over and what it protected has been damaged. */
export async function askRestore(watcher: Worker, { data }: Scene, source: string): Promise<void> {
  const { id, host } = await heard(watcher, events.report.done, source)
  if (source === 'notes') await rm(join(data, 'notes.sqlite'))
  else {
    await writeFile(join(data, 'docs', 'letter.txt'), 'spoilt')
    await rm(join(data, 'docs', 'photo.jpg'))
  }
  const asked = events.ask.restore({ id, source, host, request: 'request-1' })
  await store(watcher.cell, asked, [], { speaker: 'test', cause: 'test', time: new Date(), mayStill: () => {} })
}

export async function expectRestored(worker: Worker, scene: Scene, source: string): Promise<void> {
  await heard(worker, events.restore.done, source)
  await settled(worker)
  expect(await countFacts(worker, source)).toEqual(once([...wholeRun, 'ask.restore', 'restore.done']))
  expect(await worker.cell.run.get(source)).toBeUndefined()
  expect(await leftovers(scene)).toEqual([])
  if (source === 'notes') expect(rowsOf(join(scene.data, 'notes.sqlite'))).toEqual(rowsOf(join(scene.original, 'notes.sqlite')))
  else await expectSameTree(join(scene.data, 'docs'), join(scene.original, 'docs'))
}
