/** What a person can do about the system's own errors, wherever they come from. */
const hints: readonly { code: string; text: RegExp; hint: string }[] = [
  {
    code: 'ENOSPC',
    text: /No space left on device/i,
    hint: 'The disk is full. Free some space, or choose a place on another disk.',
  },
  { code: 'EDQUOT', text: /Disk quota exceeded/i, hint: 'The quota is used up. Free some space, or have it raised.' },
  {
    code: 'EROFS',
    text: /Read-only file system/i,
    hint: 'The file system is mounted read-only. Look in the kernel log for the reason, then mount it writable.',
  },
  {
    code: 'EACCES',
    text: /Permission denied/i,
    hint: 'Give the user that runs Holdfast the right to it, or run Holdfast as a user that has it.',
  },
  {
    code: 'EPERM',
    text: /Operation not permitted/i,
    hint: 'Give the user that runs Holdfast the right to it, or run Holdfast as a user that has it.',
  },
  { code: 'EXDEV', text: /Invalid cross-device link/i, hint: 'Both paths have to lie on one file system.' },
]

/** For an error code of the system (`ENOSPC`). */
export function hintForCode(code: string | undefined): { hint?: string } {
  const found = hints.find(hint => hint.code === code)
  return found ? { hint: found.hint } : {}
}

/** For what a program said (`tar: x: No space left on device`). */
export function hintForText(text: string): { hint?: string } {
  const found = hints.find(hint => hint.text.test(text))
  return found ? { hint: found.hint } : {}
}
