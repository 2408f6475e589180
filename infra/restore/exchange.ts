/** Puts restored things in the place of what is there, and back again. Every move may be repeated after a kill. */
import { HoldfastError } from '../errors.ts'
import type { Host } from '../hosts/host.ts'
import type { Step, Undo } from './journal.ts'

export interface Exchange {
  host: Host
  token: string
  warn(message: string): void
}

/** Where the thing that was at the target waits. */
export function asideOf(target: string, token: string): string {
  return `${target}.before-${token}`
}

/** Where a restored thing goes that did not work. */
export function rejectedOf(target: string, token: string): string {
  return `${target}.failed-${token}`
}

/** What is only moved aside goes first: an old journal must never meet a new database. */
export function inOrder(steps: readonly Step[]): Step[] {
  return [...steps.filter(({ staged }) => staged === null), ...steps.filter(({ staged }) => staged !== null)]
}

/**
 * Notes what is there, unless something has been moved since it was noted. Only meaningful once the service has stopped: files come and
 * go with it.
 */
export async function observe({ host, token }: Exchange, steps: readonly Step[]): Promise<Step[]> {
  const moved = async ({ target, staged }: Step) =>
    (await isThere(host, asideOf(target, token))) || (staged !== null && !(await isThere(host, staged)))
  if (steps.some(({ existed }) => existed !== undefined) && (await select(steps, moved)).length > 0) return [...steps]
  return await Promise.all(steps.map(async step => ({ ...step, existed: await isThere(host, step.target) })))
}

/** Exchanges them all. */
export async function place(exchange: Exchange, steps: readonly Step[]): Promise<void> {
  const waiting = await Promise.all(steps.map(async ({ staged }) => staged !== null && (await isThere(exchange.host, staged))))
  // The last thing staged has gone to its target: what is beside it now belongs to the new data.
  const allGone = !waiting.includes(true) && steps.some(({ staged }) => staged !== null)
  for (const step of inOrder(steps)) if (step.staged !== null || !allGone) await placeOne(exchange, step)
}

async function placeOne(exchange: Exchange, step: Step): Promise<void> {
  const { host, token } = exchange
  const { target, staged } = step
  if (staged !== null && !(await isThere(host, staged))) return await confirm(exchange, step)
  if (await isThere(host, target)) {
    const first = step.existed && !(await isThere(host, asideOf(target, token)))
    if (first) await host.rename(target, asideOf(target, token))
    else await keepStranger(exchange, target)
  }
  if (staged !== null) await host.rename(staged, target)
}

/** An earlier run was interrupted, and somebody has put something new there since: neither old nor restored, so it goes to neither. */
async function keepStranger({ host, token, warn }: Exchange, target: string): Promise<void> {
  let stranger = `${target}.between-${token}`
  for (let again = 2; await isThere(host, stranger); again++) stranger = `${target}.between-${token}-${again}`
  await host.rename(target, stranger)
  warn(`${target} was made anew while the restore was interrupted; it is kept as ${stranger}`)
}

/** What is staged no more must have become the target, and what was there before must wait beside it. */
async function confirm({ host, token }: Exchange, { target, existed }: Step): Promise<void> {
  if ((await isThere(host, target)) && (!existed || (await isThere(host, asideOf(target, token))))) return
  throw new HoldfastError(`what was to be restored to ${target} has vanished`, { retryable: false })
}

/** What has to be undone for each, told from the disk as it is before anything is. */
export async function classify({ host, token }: Exchange, steps: readonly Step[]): Promise<Step[]> {
  return await Promise.all(
    steps.map(async step => {
      const occupied = await isThere(host, step.target)
      return { ...step, undo: await undoOf(host, token, step), occupied }
    }),
  )
}

async function undoOf(host: Host, token: string, { target, staged, existed }: Step): Promise<Undo> {
  if (await isThere(host, asideOf(target, token))) return 'aside'
  if (staged !== null && (await isThere(host, staged))) return 'untouched'
  return existed ? 'untouched' : 'fresh'
}

/** Takes away all that is new, then puts back what was there. What was restored is left under its rejected name. */
export async function undo(exchange: Exchange, steps: readonly Step[]): Promise<void> {
  const { host, token } = exchange
  const waits = async ({ target, undo }: Step) => undo === 'aside' && (await isThere(host, asideOf(target, token)))
  const waiting = await select(steps, waits)
  // All is back: what lies beside it now belongs to it.
  if (waiting.length === 0 && steps.some(({ undo }) => undo === 'aside')) return
  for (const step of inOrder(steps)) if (step.undo === 'fresh' || waiting.includes(step)) await clear(exchange, step)
  for (const { target } of inOrder(waiting).reverse()) await host.rename(asideOf(target, token), target)
}

async function clear(exchange: Exchange, { target, occupied }: Step): Promise<void> {
  const { host, token } = exchange
  if (!(await isThere(host, target))) return
  const rejected = rejectedOf(target, token)
  if (occupied && !(await isThere(host, rejected))) await host.rename(target, rejected)
  else await keepStranger(exchange, target)
}

async function select<Item>(items: readonly Item[], wanted: (item: Item) => Promise<boolean>): Promise<Item[]> {
  const answers = await Promise.all(items.map(wanted))
  return items.filter((_, index) => answers[index])
}

/** Whether there is anything at the path, be it a link that leads nowhere. */
export async function isThere(host: Host, path: string): Promise<boolean> {
  return (await host.stat(path, { follow: false })) !== undefined
}

/** What a person types to be rid of what was moved aside. */
export function removalOf(paths: readonly string[]): string {
  return `rm -r -- ${paths.map(path => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`)).join(' ')}`
}

interface Outcome {
  keepAside: boolean
  /** What is in place was seen to work. */
  proven: boolean
  to: string | undefined
  leftOut: boolean
}

/** Why what was moved aside stays: empty where it was asked for, undefined where nobody needs it any more. */
export function reasonToKeep({ keepAside, proven, to, leftOut }: Outcome): string | undefined {
  if (keepAside) return ''
  if (leftOut) return 'it may hold files that no backup has'
  // That the data is whole does not say that it is the right one for its program.
  return to === undefined && !proven
    ? 'nothing has shown that the new data works: no `health` is configured, and no guest agent answered'
    : undefined
}
