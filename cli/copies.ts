/** What is done to every copy of one backup. */
import { HoldfastError, messageOf } from '../infra/errors.ts'
import { type Found, locate } from '../infra/find.ts'
import { placesOf } from '../infra/places.ts'
import { say } from './print.ts'
import { type GlobalOptions, openSession } from './session.ts'

/** Does it to each copy and says where. One that cannot be reached hides no other; then the whole is a failure. */
export async function eachCopy(
  id: string,
  options: GlobalOptions,
  done: string,
  deed: (copy: Found) => Promise<void>,
): Promise<void> {
  await using session = await openSession(options)
  const located = await locate(placesOf(session.tools), id)
  const problems = [...located.problems]
  const places: string[] = []
  for (const copy of located.copies) {
    try {
      await deed(copy)
      places.push(copy.place.name)
    } catch (error) {
      problems.push(`${copy.place.name}: ${messageOf(error)}`)
    }
  }
  if (places.length) say(`${located.id}  ${done} in ${places.join(', ')}`)
  if (problems.length)
    throw new HoldfastError(`not every place could be reached: ${problems.join('; ')}`, {
      hint: 'Make it reachable and say it again: it may be said twice.',
    })
}
