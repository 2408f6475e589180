/** How a run ended, as one line: how big, where it lies, verified or not, how long. */
import { basename, dirname, join } from 'node:path'
import type { Reported } from '../bus/events.ts'
import { mood, size, span } from './print.ts'

/** `notes  412 MB  →  shelf 2026-11-21/notes-020000Z  verified  38 s` */
export function outcomeLine(reported: Reported, width = 0): string {
  const name = reported.source.padEnd(width)
  if (reported.outcome === 'skipped')
    return [name, mood('skipped', 'doubtful'), reported.error?.message ?? ''].join('  ').trimEnd()
  if (reported.outcome === 'failed') return [name, mood('failed', 'bad'), failureOf(reported)].join('  ')
  const verified = reported.verified
    ? mood('verified', reported.warnings.count ? 'doubtful' : 'good')
    : mood('not verified', 'bad')
  const parts = [name, size(reported.bytes ?? 0), '→', placeOf(reported), verified, span(reported.seconds)]
  return [...parts, ...warningsOf(reported)].join('  ')
}

/** 0 for what is done, 1 for what failed. A warning is no failure. */
export function succeeded({ outcome }: Reported): boolean {
  return outcome === 'done' || outcome === 'warnings'
}

/** The vaults that have it, or where it lies on its host. */
function placeOf({ copies = [], directory = '' }: Reported): string {
  const short = join(basename(dirname(directory)), basename(directory))
  return copies.length ? `${copies.map(({ vault }) => vault).join(', ')} ${short}` : directory
}

/** Where the last step was done, it was not that step which failed. */
function failureOf({ error, ended }: Reported): string {
  const [step = ended, outcome] = ended.split('.')
  return [`${outcome === 'done' ? '' : `${step}: `}${error?.message ?? 'see the log'}`, error?.hint ?? ''].join(' ').trimEnd()
}

function warningsOf({ warnings: { count, first } }: Reported): string[] {
  if (count === 0) return []
  return [mood(`${count} ${count === 1 ? 'warning' : 'warnings'}: ${first[0] ?? ''}`, 'doubtful')]
}
