/** The commands of RESTORE.md that make a copy of a domain under another name. */
import { basename, dirname, join } from 'node:path'
import type { Details } from './details.ts'
import { copiesOf, type Placed } from './goal.ts'
import { inDouble, pattern, quoted, replacement } from './quoting.ts'
import { tpmOfCopy } from './state-by-hand.ts'

/** The shell's variable stands in the paths, so that any name will do. */
const NAME = `\${name}`

/** `xml`: the definition for restored disks, as our own code writes it: attributes in double quotes. */
export function copyCommands(details: Details, xml: string, leftOut: readonly string[]): string {
  const { uri, domain, images, nvram, tpm } = details
  const copies = copiesOf(images, 'NAME')
  const variables = nvram && join(dirname(nvram.source), 'NAME_VARS.fd')
  return [
    `name="\${name:-${domain}-restored}"`,
    ...copies.map(
      ({ image, path, format }) => `qemu-img convert -f ${image.format} -O ${format} ${image.artifact} ${inShell(path)}`,
    ),
    ...(nvram && variables ? [`cp -- ${nvram.artifact} ${inShell(variables)}`] : []),
    ...(tpm ? tpmOfCopy(tpm) : []),
    `sed ${edits(details, copies, variables).join(' \\\n  ')} \\\n  ${quoted(xml)} > "/var/tmp/$name.xml"`,
    ...copies.filter(({ image }) => image.device).map(asFile),
    `virsh -c ${quoted(uri)} define "/var/tmp/$name.xml"`,
    // They are the original's, which goes on writing to them.
    ...leftOut.map(target => `virsh -c ${quoted(uri)} detach-disk "$name" ${target} --config`),
    `# virsh start "$name": not while the original runs, unless its addresses come from DHCP.`,
  ].join('\n')
}

/** A path ends where its quotes do: `/images/zeus` is not the beginning of `/images/zeus-data`. */
function edits({ domain, uuid, nvram, tpm }: Details, copies: readonly Placed[], variables: string | null): string[] {
  const attribute = (from: string, to: string) => `-e "s|\\"${pattern(from)}\\"|\\"${to}\\"|g"`
  return [
    `-e "s|<name>${pattern(domain)}</name>|<name>${NAME}</name>|"`,
    `-e ${tpm ? `"s|<uuid>${uuid}</uuid>|<uuid>$uuid</uuid>|"` : "'/<uuid>/d'"}`,
    `-e '/<entry name="uuid">/d' -e '/<mac address/d' -e '/<genid>/d'`,
    ...copies.map(({ image, path }) => attribute(image.source, inSed(path))),
    ...(nvram && variables ? [`-e "s|>${pattern(nvram.source)}<|>${inSed(variables)}<|"`] : []),
    ...(tpm ? [attribute(tpm.source, `${replacement(dirname(tpm.source))}/$uuid`)] : []),
  ]
}

/** The copy of a device is a file. */
function asFile({ path }: Placed): string {
  const before = `\\([^>]*>\\s*\\(<driver[^>]*>\\s*\\)\\?\\)`
  const [from, to] = [`<source dev=\\"${pattern(dirname(path))}/${withName(path)}\\"`, `<source file=\\"${inSed(path)}\\"`]
  return `sed -i -z -e "s|<disk type=\\"block\\"${before}${from}|<disk type=\\"file\\"\\1${to}|" "/var/tmp/$name.xml"`
}

function inShell(path: string): string {
  return `"${inDouble(dirname(path))}/${withName(path)}"`
}

function inSed(path: string): string {
  return `${replacement(dirname(path))}/${withName(path)}`
}

function withName(path: string): string {
  return basename(path).replace(/^NAME_/, `${NAME}_`)
}
