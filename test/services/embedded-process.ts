/** A process of its own that runs the embedded bus: what the tests kill. Says its address when it is ready. */
import { startEmbedded } from '../../bus/embedded.ts'

const [stateDirectory = '', tie] = process.argv.slice(2)
const bus = await startEmbedded({ stateDirectory, ...(tie === 'pipe' ? { tie } : {}) })
console.log(JSON.stringify({ url: bus.url, token: bus.token, pid: bus.pid, adopted: bus.adopted }))
setInterval(() => {}, 1 << 30)
