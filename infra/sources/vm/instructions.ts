/** RESTORE.md of a domain: commands that bring it back with nothing but `qemu-img` and `virsh`. */
import { copyCommands } from './copy-by-hand.ts'
import type { Details } from './details.ts'
import { asideNote, diskInPlace } from './disks-by-hand.ts'
import { restorableName } from './domain-state.ts'
import { quoted } from './quoting.ts'
import { tpmInPlace, variablesInPlace } from './state-by-hand.ts'

export interface Described {
  source: string
  id: string
  /** The backup that this one builds on. */
  parent: string | null
  details: Details
  /** Targets of the domain's disks that are not in the backup, and that it writes to. */
  leftOut?: readonly string[]
}

/** Markdown. Every block of `bash` runs as it stands, as root, in the directory of the backup. */
export function instructions({ source, id, parent, details, leftOut = [] }: Described): string {
  const { domain, images, inside } = details
  const title = `# Restore ${id} by hand\n`
  if (inside !== null) return `${title}\n${insideOnly(details)}`
  return `${title}
The virtual machine \`${domain}\`: \`${details.xml}\` is its definition, ${images.map(({ artifact }) => `\`${artifact}\``).join(', ')} ${images.length === 1 ? 'its disk' : 'are its disks'}.
\`${restorableName(source)}\` is the same definition for the disks as they are once restored: each stands alone.${openNote(details)}
Needed: \`qemu-img\` and \`virsh\`. Run the commands with bash, as root, in the directory that holds this file, on the host it is to run on.
${parent === null ? '' : chainNote(parent)}
## Look

\`\`\`bash
set -eu
${images.map(({ artifact }) => `qemu-img info --backing-chain ${artifact}\nqemu-img check ${artifact}`).join('\n')}
\`\`\`

## Restore in place

The guest is switched off. ${asideNote(images)}

\`\`\`bash
set -eu
virsh=(virsh -c ${quoted(details.uri)})
if "\${virsh[@]}" domstate ${quoted(domain)} 2> /dev/null | grep -qv 'shut off' ; then "\${virsh[@]}" destroy ${quoted(domain)} || true; fi
${images.map(diskInPlace).join('\n')}
${[...variablesInPlace(details), ...tpmInPlace(details)].join('\n')}
# The new disks have none of the bitmaps that Holdfast's checkpoints speak of.
for checkpoint in $("\${virsh[@]}" checkpoint-list ${quoted(domain)} --name --topological 2> /dev/null | grep -E '^${source}-[0-9]{8}T[0-9]{6}Z$' | tac || true); do
  "\${virsh[@]}" checkpoint-delete ${quoted(domain)} "$checkpoint" --metadata
done
${[`"\${virsh[@]}" define ${quoted(restorableName(source))}`, ...startWithHost(details)].join('\n')}
"\${virsh[@]}" start ${quoted(domain)} --force-boot
\`\`\`

## Restore under another name

Beside the original, which goes on running. libvirt gives the copy a UUID and network addresses of its own.

\`\`\`bash
set -eu
${copyCommands(details, restorableName(source), leftOut)}
\`\`\`

## One disk alone, or a file on it

\`\`\`bash
set -eu
disk="\${disk:-${images[0]?.artifact ?? ''}}"
to="\${to:-/var/tmp/${id}.raw}"
qemu-img convert -O raw "$disk" "$to"
# mount -o ro,loop "$to" /mnt, or with partitions: losetup -rPf --show "$to"
\`\`\`
${workspace(details)}`
}

function chainNote(parent: string): string {
  return `
It holds what changed since \`${parent}\`, and opens as a whole as long as the directories it builds on lie where they lay, two levels up.
`
}

function openNote({ before }: Details): string {
  const encrypted = before?.encrypted ?? []
  return encrypted.length ? ` **Not encrypted any more: ${encrypted.join(', ')}.**` : ''
}

function startWithHost({ autostart, domain }: Details): string[] {
  return autostart ? [`"\${virsh[@]}" autostart ${quoted(domain)}`] : []
}

function workspace({ workspace: kept }: Details): string {
  if (!kept) return ''
  return `
## The workspace alone

\`${kept.path}\` in the guest, as an archive.

\`\`\`bash
set -eu
to="\${to:-/var/tmp/workspace}"
mkdir -p "$to"
tar -xzf ${kept.artifact} -C "$to"
\`\`\`
`
}

function insideOnly({ domain, uri, inside }: Details): string {
  return `This is a snapshot inside the disks of \`${domain}\` itself: it is lost with them, and there is nothing here to copy. To go back to it:

\`\`\`bash
set -eu
virsh -c ${quoted(uri)} snapshot-revert ${quoted(domain)} ${quoted(inside ?? '')}
\`\`\`
`
}
