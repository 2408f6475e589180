/** Every function, in the order of the story. */
import type { AnyFunction } from '../bus/function.ts'
import type { Tools } from '../infra/tools.ts'
import ask from './ask.ts'
import drill from './drill.ts'
import drills from './drills.ts'
import exporting from './export.ts'
import plan from './plan.ts'
import prune from './prune.ts'
import release from './release.ts'
import replicate from './replicate.ts'
import report from './report.ts'
import restore from './restore.ts'
import snapshot from './snapshot.ts'
import verify from './verify.ts'

export const functions: readonly AnyFunction<Tools>[] = [
  plan,
  snapshot,
  exporting,
  release,
  verify,
  replicate,
  prune,
  report,
  restore,
  drills,
  drill,
]

/** The one that answers requests. */
export const desk = ask
