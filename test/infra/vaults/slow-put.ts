/** A process of its own that copies a backup slowly: `node slow-put.ts <vault> <backup>` */
import { join } from 'node:path'
import { readBackup } from '../../../infra/inventory.ts'
import { putWork } from './opened.ts'
import { host, open, slowRsync } from './rsync-parts.ts'

const [, , path = '', directory = ''] = process.argv
const backup = await readBackup(host, directory)
if (!backup) throw new Error(`${directory} holds no backup`)
await open(path, slowRsync(join(directory, '..', 'pid'))).put(putWork(host, backup))
