import type { Command } from 'commander'
import type { BusAddress } from '../../bus/connect.ts'
import { readConfiguration } from '../../infra/config.ts'
import { say, sayJson } from '../print.ts'
import { busAddress, configurationFile, type GlobalOptions, notRunning, stateDirectoryOf } from '../session.ts'

interface Options extends GlobalOptions {
  json?: boolean
}

/** `holdfast url`: the address of the bus, secret included, so that any NATS client can join. */
export function urlCommand(program: Command): void {
  program
    .command('url')
    .description('print the address of the bus with its token, for any NATS client: nats -s "$(holdfast url)" sub "backup.>"')
    .option('--json', 'as JSON')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options>()
      const configuration = await readConfiguration(configurationFile(options))
      const address = await busAddress(configuration, stateDirectoryOf(options))
      if (!address) throw notRunning(configuration, stateDirectoryOf(options))
      const urls = withSecret(address)
      if (options.json) sayJson({ url: urls.join(','), prefix: configuration.prefix })
      else say(urls.join(','))
    })
}

/** `nats://token@host:port` or `nats://user:password@host:port`, for each server. */
function withSecret({ url, token, user, password }: BusAddress): string[] {
  const servers = Array.isArray(url) ? url : url.split(',')
  return servers.map(server => {
    const found = new URL(server.trim())
    if (token !== undefined) found.username = encodeURIComponent(token)
    if (user !== undefined) [found.username, found.password] = [encodeURIComponent(user), encodeURIComponent(password ?? '')]
    return found.href.replace(/\/$/, '')
  })
}
