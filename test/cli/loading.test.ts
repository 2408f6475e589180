/** What a command loads: itself. A worker lives for months with what it loaded, and people wait for what they typed. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { program } from '../../cli/program.ts'
import { launcher } from './holdfast.ts'

/** Has the process say on stderr what it loads. */
const telling = `data:text/javascript,import{registerHooks}from'node:module';
registerHooks({load(url,context,next){process.stderr.write('loads '+url+'\\n');return next(url,context)}})`
const every = readdirSync(join(import.meta.dirname, '..', '..', 'cli', 'commands')).map(file => basename(file, '.ts'))

async function loadedBy(words: readonly string[]): Promise<{ commands: string[]; packages: string[] }> {
  const { stderr } = await execa(process.execPath, ['--import', telling, launcher, ...words], { reject: false })
  const urls = stderr.split('\n').filter(line => line.startsWith('loads '))
  const found = (pattern: RegExp) => [...new Set(urls.flatMap(url => pattern.exec(url)?.[1] ?? []))].toSorted()
  return { commands: found(/\/cli\/commands\/(\w+)\.ts$/), packages: found(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//) }
}

async function namesFor(words: readonly string[]): Promise<string[]> {
  return (await program(words)).commands.map(command => command.name())
}

test('a worker loads no other command, nor what only those need', async () => {
  const loaded = await loadedBy(['--config', 'no-such.yaml', 'up'])
  expect(loaded.commands).toEqual(['up'])
  expect(loaded.packages).toContain('nats')
  for (const name of ['@bomb.sh/tab', '@inquirer/prompts', 'execa', 'pino-pretty']) expect(loaded.packages).not.toContain(name)
})

test('the version needs nothing but the command line', async () => {
  expect(await loadedBy(['--version'])).toEqual({ commands: [], packages: ['commander'] })
})

test.each(every.filter(name => name !== 'completion'))('%s is found by its name', async name => {
  expect(await namesFor([name])).toEqual([name])
  expect(await namesFor(['--config', 'list', name, '--help'])).toEqual([name])
})

test.each([
  [[]],
  [['--help', 'up']],
  [['help', 'up']],
  [['no-such-command', 'up']],
  [['completion', 'bash']],
  [['complete', '--', 'up']],
])('all are there, to be shown and completed, for %j', async words => {
  expect((await namesFor(words)).toSorted()).toEqual(['complete', ...every].toSorted())
})
