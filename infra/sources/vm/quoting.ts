/** Texts as the shell and `sed` of a person who follows RESTORE.md read them. Pure. */

/** One word of a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Inside double quotes of a shell. */
export function inDouble(text: string): string {
  return text.replace(/["$`\\]/g, '\\$&')
}

/** As `sed` and the double quotes around it read it literally. */
export function pattern(text: string): string {
  return inDouble(text.replace(/[\\.*[\]^$|&]/g, '\\$&'))
}
