/** Addresses as people may see them. */

/** Without the name and secret before its host, and without its query, which may hold one too. */
export function shownAddress(address: string): string {
  return address.replaceAll(/\/\/[^/\s]*@/g, '//').replaceAll(/\?[^\s,#]+/g, '?…')
}
