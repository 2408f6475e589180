/** Files and directories, as a zstd tar archive with a listing. */
import { capture, snapshot } from './files/capture.ts'
import { verify } from './files/check.ts'
import { FilesOptions } from './files/options.ts'
import { stage } from './files/stage.ts'
import { defineSource } from './source.ts'

export const files = defineSource({
  kind: 'files',
  summary:
    'Paths and patterns as a zstd tar archive with a listing. Files stay in use meanwhile; what changed or could not be read is named in a warning. Sockets are not kept.',
  options: FilesOptions,
  snapshot,
  export: capture,
  verify,
  stage,
})
