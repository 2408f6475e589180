import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CommandFailed } from '../../../infra/errors.ts'
import { awkwardNames, type OpenPlace } from './contract.ts'
import { gone, processId, rejection } from './processes.ts'

export function commandContract(open: OpenPlace): void {
  test('arguments arrive as they are', async () => {
    const { host } = await open()
    const { stdout } = await host.run(['printf', '%s\\0', ...awkwardNames, ''])
    expect(stdout.split('\0')).toEqual([...awkwardNames, '', ''])
  })

  test('bytes arrive as they are', async () => {
    const { host } = await open()
    const input = Uint8Array.from({ length: 1024 }, (_, index) => index % 256)
    expect(Buffer.from((await host.run(['cat'], { input })).bytes).equals(input)).toBe(true)
  })

  test('without input stdin is empty', async () => {
    const { host } = await open()
    expect((await host.run(['cat'])).stdout).toBe('')
  })

  test('a program that reads nothing of a large input is fine', async () => {
    const { host } = await open()
    expect((await host.run(['true'], { input: Buffer.alloc(5_000_000) })).exitCode).toBe(0)
  })

  test('an exit code is a failure unless allowed', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.run(['sh', '-c', 'echo why >&2; exit 3']))
    expect(error.outcome).toMatchObject({ exitCode: 3, stderr: 'why\n', host: host.name })
    expect(error.message).toContain('exit code 3: why')
    expect((await host.run(['sh', '-c', 'exit 3'], { okCodes: [0, 3] })).exitCode).toBe(3)
    await expect(host.run(['true'], { okCodes: [3] })).rejects.toThrow('exit code 0')
  })

  test('death by a signal is told', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.run(['sh', '-c', 'kill -9 $$']))
    expect(error.message).toContain('SIGKILL')
    expect((await host.run(['sh', '-c', 'kill -9 $$'], { okCodes: [137] })).exitCode).toBe(137)
  })

  test('a missing program says what to install and is not tried again', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.run(['no-such-program']))
    expect(error).toMatchObject({ retryable: false, hint: expect.stringContaining('Install no-such-program') })
  })

  test('exit code 127 of a program that is there is its own', async () => {
    const { host } = await open()
    const error = await rejection(CommandFailed, host.run(['sh', '-c', 'exit 127']))
    expect(error.retryable).toBe(true)
  })

  test('output does not depend on language and time zone', async () => {
    const { host } = await open()
    expect((await host.run(['sh', '-c', 'echo $LC_ALL $TZ; date -d @0 +%H:%M'])).stdout).toBe('C UTC\n00:00\n')
  })

  test('secrets travel by environment, not by argument', async () => {
    const { host } = await open()
    const { stdout } = await host.run(['sh', '-c', 'echo "$SECRET"; tr "\\0" " " </proc/$$/cmdline'], {
      env: { SECRET: 'hunter2' },
    })
    const [environment, ...commandLine] = stdout.split('\n')
    expect(environment).toBe('hunter2')
    expect(commandLine.join()).not.toContain('hunter2')
  })

  test('lines are told while the command runs, ended by newline or return', async () => {
    const { host, directory } = await open()
    const flag = join(directory, 'heard')
    const out: string[] = []
    const err: string[] = []
    // The command waits for an answer to its first line: told only at the end, it would never get one.
    const script =
      'printf "1%%\\r2%%\\rdone\\n"; printf "w\\303" >&2; while [ ! -e "$1" ]; do sleep 0.01; done; printf "\\244rm" >&2'
    const running = host.run(['sh', '-c', script, 'sh', flag], {
      onStdout: line => void (out.push(line) === 3 && host.write(flag, '')),
      onStderr: line => err.push(line),
      timeout: 20_000,
    })
    await running
    expect(out).toEqual(['1%', '2%', 'done'])
    expect(err).toEqual(['wärm'])
  })

  test('what a listener throws ends the command', async () => {
    const { host } = await open()
    const listener = () => {
      throw new Error('cannot read this')
    }
    await expect(host.run(['sh', '-c', 'echo x; exec sleep 1000'], { onStdout: listener })).rejects.toThrow('cannot read this')
  })

  test('only the end of a long stderr is kept', async () => {
    const { host } = await open()
    const { stderr } = await host.run(['sh', '-c', 'head -c 1000000 /dev/zero >&2; echo end >&2'])
    expect(stderr).toHaveLength(64 * 1024)
    expect(stderr.endsWith('end\n')).toBe(true)
  })

  test('a timeout ends the command and what it started', async () => {
    const { host, directory } = await open()
    const file = join(directory, 'pid')
    const error = await rejection(CommandFailed, host.run(['sh', '-c', grandchild, 'sh', file], { timeout: 500 }))
    expect(error.outcome.timedOut).toBe(true)
    await gone(host, await processId(host, file))
  })

  test('an abort ends the command and what it started, with the reason given', async () => {
    const { host, directory } = await open()
    const file = join(directory, 'pid')
    const controller = new AbortController()
    const running = host.run(['sh', '-c', grandchild, 'sh', file], { signal: controller.signal })
    const grandchildId = await processId(host, file)
    controller.abort(new Error('no longer ours'))
    await expect(running).rejects.toThrow('no longer ours')
    await gone(host, grandchildId)
  })

  test('what is aborted beforehand does not start', async () => {
    const { host, directory } = await open()
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(host.run(['touch', join(directory, 'started')], { signal })).rejects.toThrow('too late')
    expect(await host.list(directory)).toEqual([])
  })
}

/** Neither it nor its child minds SIGTERM much, and the child keeps no pipe of ours open. */
const grandchild = `sh -c 'trap "" TERM; echo $$ >"$1.new"; mv "$1.new" "$1"; while :; do sleep 0.1; done' sh "$1" >/dev/null 2>&1 & wait`
