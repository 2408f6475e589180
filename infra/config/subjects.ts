/** Which foreign subjects a plan may listen to. */

/** Why a text is no subject that may start a plan; undefined where it is one. Wildcards `*` and `>` are fine after the first word. */
export function subjectProblem(subject: string): string | undefined {
  const tokens = subject.split('.')
  if (/\s/.test(subject)) return 'expected a NATS subject: no white space'
  if (tokens.includes('')) return 'expected a NATS subject: words joined by single dots, such as skills.published'
  if (tokens.some(token => token.length > 1 && /[*>]/.test(token)))
    return 'expected a NATS subject: * and > stand for whole words'
  if (tokens.slice(0, -1).includes('>')) return 'expected a NATS subject: > stands only at the end'
  if (tokens[0]?.startsWith('$') || tokens[0] === '_INBOX')
    return `expected a subject of yours: ${tokens[0]} belongs to NATS itself`
  return undefined
}

/** Whether a subject could match something of ours. */
export function overlapsPrefix(subject: string, prefix: string): boolean {
  return [prefix, '*', '>'].includes(subject.split('.')[0] ?? '')
}
