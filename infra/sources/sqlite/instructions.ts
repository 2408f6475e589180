/** RESTORE.md of a database: commands a person can paste. */

export interface Known {
  source: string
  artifact: string
  database: string
  owner: string
  mode: string
}

/** Markdown whose one block of commands, run in the backup's directory, puts the database back. */
export function instructions({ source, artifact, database, owner, mode }: Known): string {
  return `# Restore ${source} by hand

\`${artifact}\` is an ordinary SQLite database. Nothing of Holdfast is needed, only \`sqlite3\`.

1. Stop the program that uses the database. SQLite does not protect an open database from being exchanged.
2. Compare \`sha256sum ${artifact}\` with \`manifest.json\`.
3. In the directory that holds this file, as root or as the owner of the database:

\`\`\`sh
set -eu
database=${quote(database)}

# The copy must be intact before anything is touched: this prints "ok".
sqlite3 -readonly 'file:${artifact}?immutable=1' 'PRAGMA integrity_check'

# Move aside what is there. Files ending in -wal, -shm and -journal belong to the old database and would spoil the new one.
for suffix in -wal -shm -journal ''; do
  if [ -e "$database$suffix" ]; then mv -- "$database$suffix" "$database$suffix.before-restore"; fi
done

cp -- ${artifact} "$database.restored"
chown ${owner} -- "$database.restored"
chmod ${mode} -- "$database.restored"
sync -- "$database.restored"
mv -- "$database.restored" "$database"

# Prints "ok" again.
sqlite3 -readonly "$database" 'PRAGMA integrity_check'
\`\`\`

4. Start the program. When all is well, remove the files that end in \`.before-restore\`.
`
}

/** A word of a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
