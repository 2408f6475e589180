#!/usr/bin/env node
/**
 * Starts Holdfast on a Node that can run it: this one if it is new enough, else the one of the npm package `node`.
 * JavaScript that old Nodes understand. In a clone the sources run as they are; installed, what was built runs.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import * as modules from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = 24
const self = fileURLToPath(import.meta.url)

if (major(process.versions.node) >= NEEDED) {
  keepCompiled()
  await import(entry())
} else {
  const node = findNode()
  if (node) runWith(node)
  else explain()
}

/** Beside our own packages, and not where everybody may write: what lies there is run. A clone then starts twice as fast, in less memory. */
function keepCompiled() {
  const packages = join(dirname(self), '..', 'node_modules')
  if (existsSync(packages)) modules.enableCompileCache(join(packages, '.cache', 'holdfast'))
}

function entry() {
  const source = join(dirname(self), 'main.ts')
  return pathToFileURL(existsSync(source) ? source : join(dirname(self), '..', 'dist', 'cli', 'main.js')).href
}

function major(version) {
  return Number.parseInt(version, 10)
}

/** The binary of the package `node`, as seen from here or from where the person stands. */
function findNode() {
  return [self, join(process.cwd(), 'package.json')].map(nodeSeenFrom).find(path => path !== undefined)
}

function nodeSeenFrom(place) {
  for (const directory of modules.createRequire(place).resolve.paths('node') || []) {
    const description = join(directory, 'node', 'package.json')
    const binary = join(directory, 'node', 'bin', 'node')
    if (existsSync(description) && existsSync(binary) && major(JSON.parse(readFileSync(description, 'utf8')).version) >= NEEDED)
      return binary
  }
  return undefined
}

/** Stands aside for the new process: its exit code or signal is ours, and what is sent to us reaches it. */
function runWith(node) {
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => child.kill(signal))
  // A terminal sends Ctrl-C to both of us: passed on, it would count twice.
  for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => process.stdin.isTTY || child.kill(signal))
  child.on('error', error => explain(error.message))
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function explain(reason) {
  process.stderr.write(
    [
      `holdfast: needs Node ${NEEDED} or newer, and this is Node ${process.versions.node}.`,
      reason
        ? `  Starting the one of the npm package "node" failed: ${reason}`
        : '  No npm package "node" with a newer one was found beside it.',
      '  In a clone:  npm ci   (and where npm holds install scripts back: npm rebuild node)',
      `  Elsewhere:   npm install node@${NEEDED}   in the directory that has holdfast, or install Node ${NEEDED} from https://nodejs.org`,
      '',
    ].join('\n'),
  )
  process.exitCode = 1
}
