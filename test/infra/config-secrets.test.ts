import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../services/directory.ts'
import { complaints, problemsOf, read, whole } from './config-kinds.ts'

const token = (value: string) => `nats: { url: "nats://bus", token: '${value}' }`

const env = (name: string) => `\${env:${name}}`
const file = (path: string) => `\${file:${path}}`

describe('secrets', () => {
  test('come from the environment, anywhere in a text', () => {
    expect(read(token(env('TOKEN')), { TOKEN: 's3cret' }).nats?.token).toBe('s3cret')
    expect(read(token(`a${env('A')}-${env('B')}b`), { A: '1', B: '$&' }).nats?.token).toBe('a1-$&b')
  })

  test('come from a file beside the configuration, without its last newline', async () => {
    const directory = await temporaryDirectory()
    await writeFile(join(directory, 'token'), ' s3cret\n\n')
    expect(read(token(file('token')), {}, join(directory, 'holdfast.yaml')).nats?.token).toBe(' s3cret\n')
    expect(read(token(file(join(directory, 'token')))).nats?.token).toBe(' s3cret\n')
  })

  test('are not looked for after $$, nor in what they hold', () => {
    expect(read(token(`$${env('TOKEN')}`)).nats?.token).toBe(env('TOKEN'))
    expect(read(token(env('A')), { A: env('B') }).nats?.token).toBe(env('B'))
  })

  test("leave a shell's variables alone", () => {
    const script = `echo \${HOME} \${x:-y} $1`
    const stop = `service: { stop: [sh, -c, "${script}"], start: [a] }`
    expect(read(whole.replace('plan: nightly,', () => `plan: nightly, ${stop},`)).sources.docs?.service?.stop[2]).toBe(script)
  })

  test.each([
    [env('TOKEN'), 'nats.token: the environment variable TOKEN is not set'],
    [env('EMPTY'), 'nats.token: the environment variable EMPTY is empty'],
    [file('nowhere/token'), `nats.token: the file ${join(process.cwd(), 'nowhere/token')} does not exist`],
    [file('.'), expect.stringContaining(`nats.token: the file ${process.cwd()} cannot be read`)],
    [env('TOKEN').replace('env', 'evn'), expect.stringContaining('nats.token: unknown secret scheme "evn"; did you mean "env"?')],
  ])('that are missing are named: %s', (text, complaint) => {
    expect(complaints(token(text), { EMPTY: '' })).toEqual([complaint])
  })

  test('that are missing cause no other complaint', () => {
    expect(complaints(`nats: { url: "${env('URL')}" }`)).toEqual(['nats.url: the environment variable URL is not set'])
  })

  test('never appear in a complaint', () => {
    const text = `
plans: { nightly: { keep: { last: 1 }, zone: "${env('SECRET')}", vaults: ["${env('SECRET')}"], schedule: "${env('SECRET')}" } }
sources: { db: { kind: database, plan: nightly, path: /x, password: "${env('SECRET')}" }, "x": { kind: "${env('SECRET')}", plan: nightly } }
nats: { url: "http://u:${env('SECRET')}@x" }
`
    const problems = problemsOf(text, { SECRET: 'hunter2' })
    expect(problems.length).toBeGreaterThanOrEqual(5)
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })

  test('written straight into the file do not either', () => {
    expect(JSON.stringify(problemsOf('nats: { url: "http://u:hunter2@x", token: [hunter2], password: 1234567 }'))).not.toMatch(
      /hunter2|1234567/,
    )
  })
})
