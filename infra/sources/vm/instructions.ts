/** RESTORE.md of a domain: commands that bring it back with nothing but `qemu-img` and `virsh`. */
import { dirname, join } from 'node:path'
import type { Details } from './details.ts'
import { asideNote, diskInPlace } from './disks-by-hand.ts'
import { copiesOf } from './goal.ts'
import { inDouble, pattern, quoted } from './quoting.ts'

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
${[`"\${virsh[@]}" define ${quoted(details.xml)}`, ...startWithHost(details)].join('\n')}
"\${virsh[@]}" start ${quoted(domain)} --force-boot
\`\`\`

## Restore under another name

Beside the original, which goes on running. libvirt gives the copy a UUID and network addresses of its own.

\`\`\`bash
set -eu
${copyCommands(details, leftOut)}
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

function startWithHost({ autostart, domain }: Details): string[] {
  return autostart ? [`"\${virsh[@]}" autostart ${quoted(domain)}`] : []
}

function variablesInPlace({ nvram }: Details): string[] {
  if (!nvram) return []
  const path = quoted(nvram.source)
  return [
    `if [ -e ${path} ]; then cp -p -- ${path} ${quoted(`${nvram.source}.before-restore`)}; fi`,
    `mkdir -p ${quoted(dirname(nvram.source))}`,
    `cp -- ${nvram.artifact} ${path}`,
  ]
}

function tpmInPlace({ tpm }: Details): string[] {
  if (!tpm) return []
  const [path, before] = [quoted(tpm.source), quoted(`${tpm.source}.before-restore`)]
  return [
    '# The state of its TPM, with the owners that it has there. swtpm has to pass the directory above it.',
    `if [ -e ${before} ]; then rm -rf -- ${path}; elif [ -e ${path} ]; then mv -- ${path} ${before}; fi`,
    storeOf(tpm.source),
    `tar -xzpf ${tpm.artifact} -C ${quoted(dirname(tpm.source))}`,
  ]
}

function storeOf(source: string): string {
  const store = quoted(dirname(source))
  return `[ -d ${store} ] || install -d -m 0711 ${store}`
}

function copyCommands(details: Details, leftOut: readonly string[]): string {
  const { uri, domain, uuid, images, xml, nvram, tpm } = details
  // The shell's variable stands in the path, so that any name will do.
  const name = shellVariable('name')
  const copies = copiesOf(images, 'NAME').map(({ image, path, format }) => ({
    image,
    format,
    path: `"${inDouble(path).replace('/NAME_', `/${name}_`)}"`,
  }))
  const variables = nvram
    ? [`cp -- ${nvram.artifact} "${inDouble(join(dirname(nvram.source), 'x')).replace(/x$/, `${name}_VARS.fd`)}"`]
    : []
  const edits = [
    `-e "s|<name>${pattern(domain)}</name>|<name>${name}</name>|"`,
    `-e ${tpm ? `"s|<uuid>${uuid}</uuid>|<uuid>$uuid</uuid>|"` : "'/<uuid>/d'"} -e "/<mac address/d" -e '/<genid>/d'`,
    ...copies.map(
      ({ image, path }) =>
        `-e "s|${image.device ? `'${pattern(image.source)}'|'"${path}"'` : `${pattern(image.source)}|"${path}"`}|g"`,
    ),
    ...(nvram ? [`-e "s|${pattern(nvram.source)}|${inDouble(dirname(nvram.source))}/${name}_VARS.fd|g"`] : []),
    ...(tpm ? [`-e "s|${pattern(tpm.source)}|${inDouble(dirname(tpm.source))}/$uuid|g"`] : []),
  ]
  return [
    `name="\${name:-${domain}-restored}"`,
    ...copies.map(({ image, format, path }) => `qemu-img convert -f ${image.format} -O ${format} ${image.artifact} ${path}`),
    ...variables,
    ...(tpm ? tpmOfCopy(tpm) : []),
    `sed ${edits.join(' \\\n  ')} \\\n  ${quoted(xml)} > "/var/tmp/$name.xml"`,
    ...copies.filter(({ image }) => image.device).map(({ path }) => asFile(path)),
    `virsh -c ${quoted(uri)} define "/var/tmp/$name.xml"`,
    // They are the original's, which goes on writing to them.
    ...leftOut.map(target => `virsh -c ${quoted(uri)} detach-disk "$name" ${target} --config`),
    `# virsh start "$name": not while the original runs, unless its addresses come from DHCP.`,
  ].join('\n')
}

/** The copy of a device is a file. */
function asFile(path: string): string {
  const before = `\\([^>]*>\\s*\\(<driver[^>]*>\\s*\\)\\?\\)`
  return `sed -i -z -e "s|<disk type='block'${before}<source dev='"${path}"'|<disk type='file'\\1<source file='"${path}"'|" "/var/tmp/$name.xml"`
}

/** libvirt looks for it by the UUID. */
function tpmOfCopy({ artifact, source }: NonNullable<Details['tpm']>): string[] {
  return [
    'uuid="$(cat /proc/sys/kernel/random/uuid)"',
    storeOf(source),
    `tar -xzpf ${artifact} -C ${quoted(dirname(source))} --transform "s,^[^/]*,$uuid,"`,
  ]
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

function shellVariable(name: string): string {
  return `\${${name}}`
}
