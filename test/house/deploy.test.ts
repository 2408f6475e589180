import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { readConfigurationWith } from '../../infra/config/read.ts'
import { sources } from '../../infra/sources/all.ts'
import { vaults } from '../../infra/vaults/all.ts'
import { requires } from '../services/requires.ts'
import { root } from './tree.ts'

const Service = z.object({
  restart: z.string(),
  read_only: z.boolean(),
  healthcheck: z.object({ test: z.array(z.string()) }),
  ports: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()),
  volumes: z.array(z.string()),
})
const Compose = z.object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.unknown()) })

/** Begins with a digit, as a random token may: unquoted, the server would read a number and fail. */
const env = { HOLDFAST_NATS_TOKEN: '3e5f00d' }

test('the configuration that the containers run is accepted', async () => {
  const kinds = { sources, vaults }
  const configuration = await readConfigurationWith(join(root, 'infra', 'deploy', 'holdfast.yaml'), { env, kinds })
  expect(configuration.nats).toMatchObject({ url: 'nats://nats:4222', token: env.HOLDFAST_NATS_TOKEN })
})

describe('docker-compose.yml', async () => {
  const { services, volumes } = Compose.parse(parse(await readFile(join(root, 'docker-compose.yml'), 'utf8')))

  test.each(Object.entries(services))(
    '%s comes back by itself, is watched, and cannot change its own image',
    (_name, service) => {
      expect(service).toMatchObject({ restart: 'unless-stopped', read_only: true })
      expect(service.healthcheck.test[0]).toBe('CMD')
    },
  )

  test('nothing listens beyond loopback', () => {
    const ports = Object.values(services).flatMap(service => service.ports)
    expect(ports.filter(port => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  test('bus, state and backups outlive their containers', () => {
    const kept = Object.values(services).flatMap(service => service.volumes.map(volume => volume.split(':')[0]))
    expect(kept).toEqual(expect.arrayContaining(Object.keys(volumes)))
    expect(Object.keys(volumes)).toEqual(['bus', 'state', 'backups'])
  })
})

test('the systemd unit runs what is there, keeps its state apart, and does not try a wrong configuration again', async () => {
  const unit = await readFile(join(root, 'infra', 'deploy', 'holdfast.service'), 'utf8')
  const start = /^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? []
  const program = start.find(word => word.endsWith('.js'))?.replace('/opt/holdfast/', '') ?? ''
  const rest = start.slice(start.findIndex(word => word.endsWith('.js')) + 1)
  const tried = rest.map(word => word.replace('/etc/holdfast/', '/nowhere/').replace('/var/lib/', `${tmpdir()}/`))
  const { exitCode, stderr } = await execa(process.execPath, [join(root, program), ...tried], { reject: false })
  expect(stderr).toContain('/nowhere/holdfast.yaml')
  expect(unit).toMatch(new RegExp(`^RestartPreventExitStatus=${exitCode}$`, 'm'))
  expect(unit).toContain('StateDirectory=holdfast\n')
})

requires('docker-compose')('Compose', () => {
  // Elsewhere than in the repository: a person's own .env must not answer for the file.
  const config = (token: Record<string, string>) => {
    const place = ['--file', join(root, 'docker-compose.yml'), '--project-directory', tmpdir()]
    return execa('docker-compose', [...place, 'config', '--quiet'], { cwd: tmpdir(), env: token, reject: false })
  }

  test('accepts the file', async () => {
    expect(await config(env)).toMatchObject({ exitCode: 0 })
  })

  test('refuses to start a bus without a token, and says where it belongs', async () => {
    const { exitCode, stderr } = await config({})
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('HOLDFAST_NATS_TOKEN')
  })
})

requires('nats-server')('the configuration of the bus', () => {
  test('is understood, with the token quoted as the compose file quotes it', async () => {
    const file = join(root, 'infra', 'deploy', 'nats.conf')
    const { services } = Compose.parse(parse(await readFile(join(root, 'docker-compose.yml'), 'utf8')))
    const quoted = services.nats?.environment.HOLDFAST_NATS_TOKEN?.replace(/\$\{[^}]*\}/, env.HOLDFAST_NATS_TOKEN) ?? ''
    const { stderr } = await execa('nats-server', ['-t', '-c', file], { env: { HOLDFAST_NATS_TOKEN: quoted } })
    expect(stderr).toContain('is valid')
  })
})
