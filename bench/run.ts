/** `npm run bench`: everything in this folder. `npm run bench -- files`: one. Prints figures, judges nobody. */
import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { machine, versions } from './machine.ts'
import type { Bench } from './measure.ts'
import { table } from './table.ts'

const suffix = '.bench.ts'

function names(): string[] {
  return globSync(`*${suffix}`, { cwd: import.meta.dirname })
    .map(file => basename(file, suffix))
    .sort()
}

async function main(asked: readonly string[]): Promise<void> {
  const unknown = asked.filter(name => !names().includes(name))
  if (unknown.length > 0) return refuse(unknown)
  say(`${machine()}\n${await versions()}\nMedians, measured side by side on this machine just now.`)
  for (const file of asked.length > 0 ? asked : names()) {
    const { name, run }: Bench = await import(join(import.meta.dirname, `${file}${suffix}`))
    say(`\n${name}`)
    say(table(await run()))
  }
}

function refuse(unknown: readonly string[]): void {
  process.stderr.write(`no such bench: ${unknown.join(', ')}. There are: ${names().join(', ') || 'none'}\n`)
  process.exitCode = 1
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

await main(process.argv.slice(2))
