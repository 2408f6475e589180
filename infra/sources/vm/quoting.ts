/** Texts as the shell and `sed` of a person who follows RESTORE.md read them. Pure. */

/** One word of a shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** Inside double quotes of a shell. */
export function inDouble(text: string): string {
  return text.replace(/["$`\\]/g, '\\$&')
}

/** As `sed` and the double quotes around it read it literally, in XML. */
export function pattern(text: string): string {
  return inDouble(inXml(text).replace(/[\\.*[\]^$|]/g, '\\$&'))
}

/** The same for what is put in its place. */
export function replacement(text: string): string {
  return inDouble(inXml(text).replace(/[\\&|]/g, '\\$&'))
}

/** As it stands in XML that our own code writes. */
function inXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
