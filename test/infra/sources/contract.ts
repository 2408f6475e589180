/** What every kind of source must do. */
import { rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HoldfastError, VerificationFailed } from '../../../infra/errors.ts'
import type { Source } from '../../../infra/sources/source.ts'
import { temporaryDirectory } from '../../services/directory.ts'
import { rejection } from '../hosts/processes.ts'
import { backupOf, compareSums, putInPlace } from './backup.ts'
import { afterCommands, expectDamage, flipBit } from './mishaps.ts'
import { commandsAt } from './processes.ts'

/** A real thing to protect, made for one test. */
export interface Subject {
  /** As the configuration would say it. */
  options: unknown
  /** Makes it something else, so that only a restore brings it back. */
  destroy(): Promise<void>
  /** Fails unless all is as it was, at its origin or where it was restored `to`. */
  expectIntact(to?: string): Promise<void>
  /** A place to restore to that is not its origin. */
  elsewhere: string
  /** The artifact that holds the data. */
  artifact: string
}

export interface SourceContract<Options> {
  source: Source<Options>
  /** Makes the thing below an empty directory. */
  prepare(directory: string): Promise<Subject>
  /** Options that are right, of a thing that is not there. */
  missing(directory: string): unknown
  /** Whether `verify` alone finds any flipped bit; otherwise only the checksums do. */
  findsFlippedBit: boolean
}

export function sourceContract<Options>(contract: SourceContract<Options>): void {
  describe(`${contract.source.kind} source`, () => {
    describe('captures', () => captureContract(contract))
    describe('verifies', () => verifyContract(contract))
    describe('restores', () => restoreContract(contract))
  })
}

async function prepared<Options>({ source, prepare }: SourceContract<Options>) {
  const directory = await temporaryDirectory()
  const subject = await prepare(join(directory, 'data'))
  const root = join(directory, 'backups')
  return { subject, directory, root, backup: backupOf(source, subject.options, { root }) }
}

function captureContract<Options>(contract: SourceContract<Options>): void {
  test('writes the artifacts it names, for nobody else to read, with the sums it gives', async () => {
    const { backup } = await prepared(contract)
    const { artifacts, captured, instructions } = await backup.capture()
    const sums = new Map(backup.manifest().artifacts.map(({ name, sha256 }) => [name, sha256]))
    for (const { name, sha256 } of artifacts) {
      expect((await stat(join(backup.directory, name))).mode & 0o777, name).toBe(0o600)
      expect(sha256 ?? sums.get(name), name).toBe(sums.get(name))
    }
    expect(captured.from <= captured.to).toBe(true)
    expect(instructions).toContain('```')
    await backup.verify()
  })

  test('what fixes the point in time says what is expected and with which tools', async () => {
    const { backup } = await prepared(contract)
    const held = await backup.snapshot()
    expect(held.expected).toBeGreaterThan(0)
    expect(Object.values(held.tools)).not.toContain('unknown')
    expect(JSON.stringify(held).length).toBeLessThan(2000)
  })

  test('may run twice', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await backup.snapshot()
    await backup.capture()
    await backup.verify()
    await subject.destroy()
    await putInPlace(await backup.stage('second'))
    await subject.expectIntact()
  })

  test('refuses what is not there, once and for all', async () => {
    const directory = await temporaryDirectory()
    const backup = backupOf(contract.source, contract.missing(directory), { root: directory })
    const error = await rejection(HoldfastError, backup.snapshot())
    expect(error).toMatchObject({ retryable: false, hint: expect.stringMatching(/./) })
    expect(error.message).toContain(directory)
  })

  test('ends at once when it is aborted, at whatever command, and leaves nothing running', async () => {
    const { root, subject, directory } = await prepared(contract)
    for (let command = 1; ; command++) {
      const controller = new AbortController()
      const reason = new Error(`aborted at command ${command}`)
      const host = afterCommands(command, () => controller.abort(reason))
      const captured = backupOf(contract.source, subject.options, { root, host, signal: controller.signal }).capture()
      const outcome = await captured.catch((error: unknown) => error)
      expect(await commandsAt(directory)).toEqual([])
      if (!controller.signal.aborted) break
      expect(outcome).toBe(reason)
    }
  })
}

function verifyContract<Options>(contract: SourceContract<Options>): void {
  test('what is whole, and names its checks', async () => {
    const { backup } = await prepared(contract)
    await backup.capture()
    for (const { name, result } of await backup.verify()) expect(name && result).toMatch(/./)
  })

  test('finds a flipped bit', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await flipBit(join(backup.directory, subject.artifact))
    await expect(compareSums(backup)).rejects.toThrow(VerificationFailed)
    if (contract.findsFlippedBit) await expectDamage(backup.verify())
  })

  test('finds an artifact that was cut short', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    const path = join(backup.directory, subject.artifact)
    await truncate(path, Math.floor((await stat(path)).size / 2))
    await expectDamage(backup.verify())
  })

  test('finds an artifact that is gone', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await rm(join(backup.directory, subject.artifact))
    await expectDamage(backup.verify())
  })
}

function restoreContract<Options>(contract: SourceContract<Options>): void {
  test('in place', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await subject.destroy()
    await expect(subject.expectIntact()).rejects.toThrow()
    const staged = await backup.stage('first')
    await expect(subject.expectIntact(), 'staging touches nothing').rejects.toThrow()
    expect(staged.checks).not.toEqual([])
    await putInPlace(staged)
    await subject.expectIntact()
  })

  test('elsewhere', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await putInPlace(await backup.stage('first', subject.elsewhere))
    await subject.expectIntact(subject.elsewhere)
    await subject.expectIntact()
  })

  test('in place again, over what an earlier try left behind', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await subject.destroy()
    await backup.stage('same')
    await putInPlace(await backup.stage('same'))
    await subject.expectIntact()
  })

  test('not what is damaged', async () => {
    const { backup, subject } = await prepared(contract)
    await backup.capture()
    await truncate(join(backup.directory, subject.artifact), 100)
    await expect(backup.stage('first')).rejects.toThrow(HoldfastError)
    await subject.expectIntact()
  })
}
