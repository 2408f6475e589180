/** Virtual machines of libvirt and QEMU, captured while they run. */
import { defineSource } from './source.ts'
import { capture, inspect } from './vm/capture.ts'
import { collect } from './vm/collect.ts'
import { describe } from './vm/describe.ts'
import { refuseDevices } from './vm/devices.ts'
import { captures, discover } from './vm/discover.ts'
import { drill, endDrill } from './vm/drill.ts'
import { partsOf } from './vm/goal.ts'
import { Held } from './vm/held.ts'
import { instant } from './vm/instant.ts'
import { lifecycle } from './vm/lifecycle.ts'
import { modes, Options } from './vm/options.ts'
import { release } from './vm/release.ts'
import { stage } from './vm/restore.ts'
import { undoStage } from './vm/resume.ts'
import { stageOf } from './vm/stage.ts'
import { verify } from './vm/verify.ts'

export const vm = defineSource<Options>({
  kind: 'vm',
  summary:
    'A virtual machine of libvirt and QEMU, captured while it runs: all its disks at one moment, after the first time only what changed.',
  options: Options,
  modes,
  destination: 'name',

  discover,
  captures,
  describe,
  snapshot: capture,
  inspect,
  export: collect,
  instant,
  drill,
  endDrill,

  async release(work) {
    await release({ ...work, held: Held.parse(work.held) })
  },

  async abandon(work) {
    await undoStage(work, stageOf(work.root, work.id))
  },

  verify,
  refuse: refuseDevices,
  stage,
  lifecycle,
  parts: partsOf,
  chain: ({ fullEvery }) => fullEvery,
})
