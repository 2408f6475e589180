/** The tools that a `files` source needs. */
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { remembered } from '../../tools/remembered.ts'
import { together } from '../../tools/together.ts'

/** Versions of tar and zstd; refuses a tar that is not GNU's. */
export const toolVersions: (host: Host) => Promise<Record<string, string>> = remembered(look)

/** Without a caller's signal: the answer is for others too. */
async function look(host: Host): Promise<Record<string, string>> {
  const [tar, zstd] = await together([host.run(['tar', '--version']), host.run(['zstd', '--version'])])
  if (!tar.stdout.includes('GNU tar')) {
    throw new InvalidInput(`files: tar on ${host.name} is not GNU tar: ${tar.stdout.split('\n')[0]}`, {
      hint: 'Install GNU tar there: others do not keep holes, ACLs and attributes alike.',
    })
  }
  return { tar: version(tar.stdout), zstd: version(zstd.stdout) }
}

function version(text: string): string {
  return /\d+\.\d+(\.\d+)*/.exec(text)?.[0] ?? 'unknown'
}
