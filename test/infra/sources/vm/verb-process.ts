/** A verb in a process of its own, to be killed. */
import { doomedHost, verbsOf } from './verbs.ts'

const { verb, point, setting, held } = JSON.parse(process.argv[2] ?? '{}')
const verbs = verbsOf(setting, doomedHost(point))
if (verb === 'snapshot') await verbs.snapshot()
if (verb === 'export') await verbs.export(held)
if (verb === 'release') await verbs.release(held)
