/** Waiting in tests for what another process does. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Asks until there is an answer other than undefined and false; throws with the last refusal when it takes too long. */
export async function until<Answer>(
  what: string,
  ask: () => Promise<Answer | undefined | false>,
  { seconds = 60, every = 50 }: { seconds?: number; every?: number } = {},
): Promise<Answer> {
  let refusal: unknown
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(every)) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      refusal = error
    }
  }
  throw new Error(`${what}: not within ${seconds} s`, { cause: refusal })
}
