/** What the desk answers, as the command line reads it. */
import { z } from 'zod'

const Failure = z.object({ message: z.string(), hint: z.string().optional() })

/** To `<prefix>.run`. */
export const Planned = z.object({
  cause: z.string(),
  planned: z.array(
    z.object({ id: z.string(), source: z.string(), host: z.string(), at: z.string(), plans: z.array(z.string()) }),
  ),
  rejected: z.array(z.object({ source: z.string().optional(), error: Failure })),
})
export type Planned = z.infer<typeof Planned>

/** To `<prefix>.restore` and `<prefix>.drill`. */
export const Accepted = z.object({ request: z.string(), id: z.string(), source: z.string(), host: z.string() })
