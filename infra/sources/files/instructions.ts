/** The commands that bring files back without Holdfast. */
import { parsePrintable, textOf } from '../../tools/byte-names.ts'
import { artifactNames, type FilesDetails } from './options.ts'

export interface Described {
  source: string
  id: string
  details: FilesDetails
}

/** Markdown. Every block of `bash` runs as it stands, in the directory of the backup. */
export function instructions({ source, id, details }: Described): string {
  const { archive, listing, leftOut } = artifactNames(source)
  const roots = details.roots.map(parsePrintable)
  const unpack = `LC_ALL=C tar --extract --zstd --force-local --file=${archive} --preserve-permissions --same-owner --numeric-owner \\
  --acls --xattrs '--xattrs-include=*'`
  return `# Restore ${id} by hand

${archive} holds files as GNU tar and zstd keep them; ${listing} lists them. Their paths there have no leading slash.
Needed: GNU tar, zstd, bash. Run the commands as root in the directory that holds this file.

## Check the archive

\`\`\`bash
zstd --test ${archive}
\`\`\`

## Restore to a scratch directory

Unpacks everything below \`$scratch\`, then compares it with the archive; silence means alike.

\`\`\`bash
scratch="\${scratch:-/var/tmp/${id}}"
mkdir -p "$scratch"
${unpack} --directory="$scratch"
LC_ALL=C tar --compare --zstd --force-local --file=${archive} --numeric-owner --directory="$scratch"
\`\`\`

To restore a part, add its paths from ${listing} to the first command.

## Restore in place

Stop what uses the files. This moves aside what is there now, then puts the files back where they were.

\`\`\`bash
set -e
${roots.map(moveAside).join('\n')}
${unpack} --directory=/
\`\`\`
${remarks(details, leftOut)}`
}

function moveAside(root: string): string {
  const path = quoted(root)
  return `if [ -e ${path} ] || [ -L ${path} ]; then mv --no-target-directory -- ${path} ${quoted(`${root}.before-restore`)}; fi`
}

function remarks({ exclude, missing, sockets }: FilesDetails, leftOut: string): string {
  const remarks = [
    ...(exclude.length > 0
      ? [`Left out on purpose, and therefore only in what was moved aside: ${exclude.map(code).join(', ')}.`]
      : []),
    ...(missing > 0 ? [`${missing} files could not be read when the backup was made: see its warnings.`] : []),
    ...(sockets > 0 ? [`Sockets are not kept, the programs that listen make them anew: see ${leftOut}.`] : []),
  ]
  return remarks.length > 0 ? `\n## Not in the archive\n\n${remarks.map(remark => `- ${remark}\n`).join('')}` : ''
}

function code(pattern: string): string {
  return `\`${pattern}\``
}

/** For bash: single quotes, or escapes where the name is not UTF-8 or would break the line. */
function quoted(path: string): string {
  const text = textOf(path)
  if (text !== undefined && !/\p{Cc}/u.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`
  return `$'${path.replace(/[^\x20-\x26\x28-\x5b\x5d-\x7e]/g, byte => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`)}'`
}
