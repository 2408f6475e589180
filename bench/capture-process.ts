/** Run by itself: captures what its argument says, and prints by how many bytes that made this process grow at its peak. */
import { z } from 'zod'
import { capture } from './capture.ts'

const Asked = z.object({ kind: z.string(), options: z.unknown(), root: z.string() })

const before = process.memoryUsage.rss()
await capture(Asked.parse(JSON.parse(process.argv[2] ?? '')))
process.stdout.write(String(process.resourceUsage().maxRSS * 1024 - before))
