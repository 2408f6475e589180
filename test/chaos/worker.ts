/** A worker in a process of its own, which dies at a point. Says when it is ready. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { functions } from '../../functions/index.ts'
import type { Configuration } from '../../infra/config.ts'
import { doomedCell, doomedFunctions } from './doomed.ts'
import { die, Point } from './point.ts'
import { openWorker } from './running.ts'

/** What the process is told, as JSON in the file that is its one argument. */
const Orders = z.object({
  url: z.string(),
  /** Comes from the test that has made it. */
  configuration: z.custom<Configuration>(),
  point: Point,
})
export type Orders = z.infer<typeof Orders>

const { url, configuration, point } = Orders.parse(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')))
const doom = { point, strike: die }
await openWorker({ url }, configuration, { functions: doomedFunctions(functions, doom), change: cell => doomedCell(cell, doom) })
console.log('ready')
