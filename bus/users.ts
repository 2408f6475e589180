/** The users of a nats-server's configuration: who runs an instance, starts, listens; one per function, the clock, who provisions. */
import type { Declared } from './declared.ts'
import { clockPermissions, type PermissionOptions, type Permissions, permissionsOf } from './permissions.ts'
import { rolesOf } from './roles.ts'

/**
 * An nkey's public half, `U…`, or a password: best as the server's bcrypt hash, `$2a$…`. `variable` names one that the server's
 * configuration or environment holds.
 */
export type Proof = { nkey: string } | { password: string } | { variable: string }

export interface UserOptions extends PermissionOptions {
  /** Foreign subjects that start plans. */
  triggers?: readonly string[]
  /** By the name of the function or role; `admin` provisions, `clock` ticks. Who has no proof gets no user. */
  proofs: Readonly<Record<string, Proof>>
}

/** The `authorization` block. With nkeys it holds no secret. */
export function natsUsers(functions: readonly Declared[], { proofs, ...options }: UserOptions): string {
  const granted = new Map<string, Permissions | undefined>([
    ['admin', undefined],
    ['clock', clockPermissions(options.prefix)],
    ...Object.entries(rolesOf(functions, { triggers: [], ...options })),
  ])
  for (const fn of functions) granted.set(fn.name, permissionsOf(fn, options))
  const unknown = Object.keys(proofs).filter(name => !granted.has(name))
  if (unknown.length > 0)
    throw new Error(`no function is called ${unknown.join(', ')}; known are ${[...granted.keys()].join(', ')}`)
  const users = [...granted].flatMap(([name, permissions]) => {
    const proof = proofs[name]
    return proof ? [`    ${userOf(name, proof, permissions)}`] : []
  })
  return ['authorization {', '  users = [', ...users, '  ]', '}', ''].join('\n')
}

function userOf(name: string, proof: Proof, permissions: Permissions | undefined): string {
  const password = 'variable' in proof ? `$${proof.variable}` : JSON.stringify('password' in proof ? proof.password : '')
  const who = 'nkey' in proof ? `nkey: ${JSON.stringify(proof.nkey)}` : `user: ${JSON.stringify(name)}, password: ${password}`
  return permissions ? `{ ${who}, permissions: { ${rightsOf(permissions)} } }` : `{ ${who} }`
}

function rightsOf({ publish, subscribe, responses }: Permissions): string {
  // An empty list would allow everything.
  const allow = (subjects: string[]) => (subjects.length > 0 ? `{ allow: ${JSON.stringify(subjects)} }` : '{ deny: ">" }')
  return `publish: ${allow(publish)}, subscribe: ${allow(subscribe)}${responses ? ', allow_responses: true' : ''}`
}
