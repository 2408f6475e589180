/** Puts restored things in the place of what is there, and back again. Every move may be repeated after a kill. */
import { basename, dirname } from 'node:path'
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

/** Notes what is there. Only meaningful once the service has stopped, for it may come and go with it. */
export async function observe({ host }: Exchange, steps: readonly Step[]): Promise<Step[]> {
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
  const stranger = `${target}.between-${token}`
  if (await isThere(host, stranger)) {
    throw new HoldfastError(`${target} keeps coming back while it is being replaced`, {
      hint: 'Something starts the program again and again. Stop it until the restore has ended.',
    })
  }
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
  return await Promise.all(steps.map(async step => ({ ...step, undo: await undoOf(host, token, step) })))
}

async function undoOf(host: Host, token: string, { target, staged, existed }: Step): Promise<Undo> {
  if (await isThere(host, asideOf(target, token))) return 'aside'
  if (staged !== null && (await isThere(host, staged))) return 'untouched'
  return existed ? 'untouched' : 'fresh'
}

/** Puts back what was there, the last exchanged first. What was restored is left under its rejected name. */
export async function undo(exchange: Exchange, steps: readonly Step[]): Promise<void> {
  for (const step of inOrder(steps).reverse()) await undoOne(exchange, step)
}

async function undoOne({ host, token }: Exchange, { target, undo }: Step): Promise<void> {
  const [aside, rejected] = [asideOf(target, token), rejectedOf(target, token)]
  if (undo === undefined || undo === 'untouched') return
  if (undo === 'aside' && !(await isThere(host, aside))) return
  if (await isThere(host, target)) {
    if (undo === 'fresh' && (await isThere(host, rejected))) return
    await host.remove(rejected)
    await host.rename(target, rejected)
  }
  if (undo === 'aside') await host.rename(aside, target)
}

/** Whether there is anything at the path, be it a link that leads nowhere. */
export async function isThere(host: Host, path: string): Promise<boolean> {
  if (await host.stat(path)) return true
  return (await host.list(dirname(path))).some(({ name }) => name === basename(path))
}
