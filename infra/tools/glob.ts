/** Glob patterns over absolute paths, as arguments of `find`: matched on the host, on bytes, without walking what cannot match. */

/** Whether a path is a pattern and not to be taken as it is. */
export function isPattern(path: string): boolean {
  return /[*?[]/.test(path)
}

/** Why a pattern cannot be matched on bytes; undefined where it can. */
export function patternProblem(pattern: string): string | undefined {
  for (const [brackets] of pattern.matchAll(new RegExp(bracketExpression, 'g')))
    if (/[^\x20-\x7e]/.test(brackets)) return `${brackets}: only ASCII characters can stand in brackets`
  return undefined
}

export interface FindPattern {
  /** The directory below which matches lie. */
  base: string
  /** `-mindepth` and the like, to come first. */
  options: string[]
  /** True for paths that match. */
  matches: string[]
  /** True for paths below which nothing can match. */
  hopeless: string[]
}

/**
 * What `find -H` needs to find what a normalised absolute pattern matches. `*`, `?` and `[…]` stay within one name and match hidden names
 * too, `**` as a whole name stands for any number of directories, a backslash takes the next character as it is.
 */
export function findPattern(pattern: string): FindPattern {
  const segments = pattern.split('/').slice(1)
  const first = segments.findIndex(isPattern)
  const fixed = segments.slice(0, first)
  // Below a match everything belongs to it: a trailing `**` says no more than `*`.
  const wild = segments.slice(first).map((segment, index, all) => (segment === '**' && index === all.length - 1 ? '*' : segment))
  const start = fixed.map(name => `/${quoted(unescaped(name))}`).join('')
  const steps = wild.map(segment => (segment === '**' ? '(/[^/]+)*' : `/${segmentExpression(segment)}`))
  const deep = wild.indexOf('**')
  const onTheWay = (deep < 0 ? steps : steps.slice(0, deep + 1)).map((_, index) => start + steps.slice(0, index + 1).join(''))
  return {
    base: `/${fixed.map(unescaped).join('/')}`,
    options: ['-mindepth', '1', ...(deep < 0 ? ['-maxdepth', String(wild.length)] : []), '-regextype', 'posix-extended'],
    matches: ['-regex', start + steps.join('')],
    hopeless: ['!', '-regex', onTheWay.join('|')],
  }
}

const bracketExpression = String.raw`\[[!^]?\]?(?:\[:[a-z]+:\]|[^\]/])*\]`
const token = new RegExp(String.raw`\\(.)|(\*+)|(\?)|(${bracketExpression})|(.)`, 'gsu')

function segmentExpression(segment: string): string {
  return segment.replace(token, (_, escaped?: string, star?: string, one?: string, brackets?: string, other?: string) => {
    if (star) return '[^/]*'
    if (one) return '[^/]'
    return brackets ? bracketSet(brackets) : quoted(escaped ?? other ?? '')
  })
}

/** A negated set must not match the slash. `]` keeps its place at the beginning, `-` moves to the end, where it is no range. */
function bracketSet(brackets: string): string {
  const negated = /^\[[!^]/.test(brackets)
  const body = brackets.slice(negated ? 2 : 1, -1)
  if (!negated) return body.startsWith('^') ? `[${body.slice(1)}^]` : `[${body}]`
  const bracket = body.startsWith(']') ? ']' : ''
  const rest = body.slice(bracket.length)
  return rest.startsWith('-') ? `[^${bracket}/${rest.slice(1)}-]` : `[^${bracket}/${rest}]`
}

function unescaped(name: string): string {
  return name.replace(/\\(.)/gs, '$1')
}

function quoted(text: string): string {
  return text.replace(/[.[\]{}()*+?^$|\\]/g, '\\$&')
}
