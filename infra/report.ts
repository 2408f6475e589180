/** The text of `report.md`: what, when, how consistent, how checked, where the copies are, what rotation keeps. */
import prettyBytes from 'pretty-bytes'
import type { Space } from './hosts/host.ts'
import type { Backup } from './inventory.ts'
import { RESTORE } from './layout.ts'
import { INSIDE } from './manifest.ts'

export interface ReportParts {
  backup: Backup
  /** How it was made, in the words of its kind. */
  made?: readonly (readonly [name: string, value: string])[]
  reported: {
    outcome: string
    ended: string
    warnings: { count: number; first: string[] }
    error?: { message: string; hint?: string | undefined } | undefined
  }
  /** What prune left, per place. */
  places: { place: string; kept: number; removed: string[] }[]
  /** Of the file system that holds the backup. */
  space: Space
}

const outcomes: Record<string, string> = {
  done: 'done',
  warnings: 'done with warnings',
  failed: 'FAILED',
  skipped: 'skipped',
}

/** Markdown that a person can read without Holdfast. */
export function reportText({ backup, made = [], reported, places, space }: ReportParts): string {
  const { manifest } = backup
  return [
    `# Backup ${manifest.id}: ${outcomes[reported.outcome] ?? reported.outcome}`,
    table([
      ['source', `${manifest.source} (${manifest.kind}) on ${manifest.host.label}`],
      ['asked for', `${manifest.at}${manifest.reason ? `, "${manifest.reason}"` : ''}`],
      ['data of', `${manifest.captured.from} to ${manifest.captured.to}`],
      ['plans', manifest.plans.join(', ') || 'none: asked for by hand'],
      ['size', prettyBytes(manifest.bytes)],
      ['consistency', `asked ${manifest.consistency.asked}, achieved ${manifest.consistency.achieved}`],
      ...(manifest.protects === false ? [['protects', INSIDE]] : []),
      ...(manifest.incomplete === undefined ? [] : [['incomplete', manifest.incomplete]]),
      ...made,
      ['encryption', manifest.encryption ?? 'none'],
      ['parent', manifest.parent ?? 'none: complete by itself'],
      [
        'tools',
        Object.entries(manifest.tools)
          .map(entry => entry.join(' '))
          .join(', '),
      ],
      ['free space', `${prettyBytes(space.free)} of ${prettyBytes(space.total)} (${percent(space)})`],
      ['ended on', reported.ended],
    ]),
    ...section('Error', reported.error ? [reported.error.message, ...(reported.error.hint ? [reported.error.hint] : [])] : []),
    ...section('Warnings', warnings(reported.warnings)),
    ...section(
      'Artifacts',
      manifest.artifacts.map(({ name, bytes, sha256 }) => `${name}: ${prettyBytes(bytes)}, SHA-256 ${sha256}`),
    ),
    ...section('Checks', checks(backup)),
    ...section('Copies', [
      `here: ${backup.directory}`,
      ...backup.copies.map(({ vault, directory, at }) => `${vault}: ${directory} (${at})`),
    ]),
    ...section('Rotation', places.map(rotation)),
    `How to restore it by hand: ${RESTORE} in this directory.`,
    '',
  ].join('\n\n')
}

function table(rows: readonly (readonly string[])[]): string {
  return [
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value?.replaceAll('|', '\\|').replaceAll('\n', ' ')} |`),
  ].join('\n')
}

function section(title: string, lines: string[]): string[] {
  return lines.length ? [`## ${title}`, lines.map(line => `- ${line.replaceAll('\n', ' ')}`).join('\n')] : []
}

function warnings({ count, first }: { count: number; first: string[] }): string[] {
  return count > first.length ? [...first, `and ${count - first.length} more: warnings.txt`] : first
}

function checks({ verified, failed, drills }: Backup): string[] {
  const proven = drills.at(-1)
  return [
    ...(failed ? [`FAILED at ${failed.at}: ${failed.error}`] : []),
    ...(verified
      ? [`verified at ${verified.at}`, ...verified.checks.map(({ name, result }) => `${name}: ${result}`)]
      : ['not verified']),
    proven ? `${proven.ok ? 'proven' : 'NOT proven'} by a restore at ${proven.at}` : 'not proven by a restore yet',
  ]
}

function rotation({ place, kept, removed }: ReportParts['places'][number]): string {
  return `${place}: ${kept} kept of ${kept + removed.length}${removed.length ? `, removed ${removed.join(', ')}` : ''}`
}

function percent({ free, total }: Space): string {
  return total ? `${Math.round((free / total) * 100)} % free` : 'unknown'
}
