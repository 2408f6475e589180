/** The tools that a `files` source needs. */
import { InvalidInput } from '../../errors.ts'
import type { Host } from '../../hosts/host.ts'
import { together } from '../../tools/together.ts'

/** Versions of tar and zstd; refuses a tar that is not GNU's. */
export async function toolVersions(host: Host, signal: AbortSignal): Promise<Record<string, string>> {
  const [tar, zstd] = await together([host.run(['tar', '--version'], { signal }), host.run(['zstd', '--version'], { signal })])
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
