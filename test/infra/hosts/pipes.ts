import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CommandFailed, HoldfastError } from '../../../infra/errors.ts'
import type { Argv, Stage } from '../../../infra/hosts/host.ts'
import { awkwardNames, type OpenPlace } from './contract.ts'
import { gone, processId, rejection } from './processes.ts'

export function pipeContract(open: OpenPlace): void {
  test('members are joined in their order and each one answers', async () => {
    const { host } = await open()
    const outputs = await host.pipe([stage('printf', 'b\\na\\n'), stage('sort'), stage('tr', 'a-z', 'A-Z')])
    expect(outputs.map(output => output.stdout)).toEqual(['', '', 'A\nB\n'])
  })

  test('from a file, to a file: new, private, whole', async () => {
    const { host, directory } = await open()
    for (const name of awkwardNames) {
      const [from, to] = [join(directory, name), join(directory, `${name}.gz`)]
      await host.write(from, `content of ${name}`)
      await host.pipe([stage('gzip')], { from, to })
      expect((await host.run(['gzip', '-dc', '--', to])).stdout).toBe(`content of ${name}`)
      expect((await host.run(['stat', '-c', '%a', '--', to])).stdout).toBe('600\n')
    }
  })

  test('a file that is there is not written over', async () => {
    const { host, directory } = await open()
    const to = join(directory, 'kept')
    await host.write(to, 'old')
    await expect(host.pipe([stage('echo', 'new')], { to })).rejects.toThrow(HoldfastError)
    expect(Buffer.from(await host.read(to)).toString()).toBe('old')
  })

  test('a file to read from that is not there is named', async () => {
    const { host, directory } = await open()
    await expect(host.pipe([stage('cat')], { from: join(directory, 'none'), to: join(directory, 'to') })).rejects.toThrow(/none/)
    expect(await host.list(directory)).toEqual([])
  })

  test('input is fed to the first member', async () => {
    const { host } = await open()
    const outputs = await host.pipe([stage('cat'), stage('wc', '-c')], { input: 'x'.repeat(1_000_000) })
    expect(outputs[1]?.stdout.trim()).toBe('1000000')
  })

  test('bulk bytes do not pass through this process', async () => {
    const { host } = await open()
    const before = await bytesRead()
    const outputs = await host.pipe([stage('head', '-c', '100000000', '/dev/zero'), stage('cat'), stage('wc', '-c')])
    expect(outputs[2]?.stdout.trim()).toBe('100000000')
    expect((await bytesRead()) - before).toBeLessThan(5_000_000)
  })

  describe.each([
    ['first', 0],
    ['middle', 1],
    ['last', 2],
  ])('when the %s member fails', (_, culprit) => {
    const failing: Stage = { argv: ['sh', '-c', 'echo "really broken" >&2; exit 9'], env: {} }
    const others = [stage('yes'), stage('cat'), stage('wc', '-c')]

    test('the pipe fails, names it, ends the others and leaves no file', async () => {
      const { host, directory } = await open()
      const [first, middle, last] = others.map((other, index) => (index === culprit ? failing : other))
      if (!first || !middle || !last) throw new Error('three members')
      const error = await rejection(
        CommandFailed,
        host.pipe([first, middle, last], { to: join(directory, 'out'), timeout: 20_000 }),
      )
      expect(error.outcome).toMatchObject({ exitCode: 9, stderr: 'really broken\n', timedOut: false })
      expect(await host.list(directory)).toEqual([])
    })
  })

  test('a tar that lost its reader is not the one to blame', async () => {
    const { host, directory } = await open()
    await host.pipe([stage('head', '-c', '20000000', '/dev/zero')], { to: join(directory, 'big') })
    const error = await rejection(
      CommandFailed,
      host.pipe([stage('tar', '-C', directory, '-cf', '-', '.'), stage('no-such-program')]),
    )
    expect(error.outcome.argv).toEqual(['no-such-program'])
  })

  test('a member that loses its reader fails the pipe', async () => {
    const { host } = await open()
    await expect(host.pipe([stage('yes'), stage('head', '-c', '10')])).rejects.toThrow(/^yes on/)
  })

  test('a member that would wait for ever is ended once another has failed', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.pipe([stage('sleep', '1000'), stage('false')]))
    expect(error.outcome.argv).toEqual(['false'])
  })

  test('a missing program anywhere is told', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.pipe([stage('yes'), stage('no-such-program'), stage('cat')]))
    expect(error).toMatchObject({ retryable: false, hint: expect.stringContaining('Install no-such-program') })
  })

  test('an abort ends every member and leaves no file', async () => {
    const { host, directory } = await open()
    const controller = new AbortController()
    const file = join(directory, 'pid')
    const sleeper = stage('sh', '-c', 'echo $$ >"$1.new"; mv "$1.new" "$1"; exec sleep 1000', 'sh', file)
    const running = host.pipe([sleeper, stage('cat')], { to: join(directory, 'out'), signal: controller.signal })
    const sleeperId = await processId(host, file)
    controller.abort(new Error('stop'))
    await expect(running).rejects.toThrow('stop')
    await gone(host, sleeperId)
    expect((await host.list(directory)).map(entry => entry.name)).toEqual(['pid'])
  })

  test('each member has its own environment and listener', async () => {
    const { host } = await open()
    const heard: string[] = []
    const script = 'cat; echo "$WHO" >&2'
    const member = (who: string): Stage => ({ argv: ['sh', '-c', script], env: { WHO: who }, onStderr: line => heard.push(line) })
    const outputs = await host.pipe([member('one'), member('two')])
    expect(heard.sort()).toEqual(['one', 'two'])
    expect(outputs.map(output => output.stderr)).toEqual(['one\n', 'two\n'])
  })
}

function stage(...argv: Argv): Stage {
  return { argv }
}

/** By this thread since it began, without its children. Memory would say little of what streams through. */
async function bytesRead(): Promise<number> {
  return Number.parseInt(/rchar: (\d+)/.exec(await readFile(`/proc/self/task/${process.pid}/io`, 'utf8'))?.[1] ?? 'unknown', 10)
}
