/** The connection to NATS: one set of options, chosen by experiment, and errors that say what to do. */
import { connect, createInbox, ErrorCode, type NatsConnection, NatsError, nkeyAuthenticator } from 'nats'

export interface BusAddress {
  url: string | string[]
  token?: string | undefined
  user?: string | undefined
  password?: string | undefined
  /** The seed of an nkey, `SU…`: proves who we are without a secret on the server. */
  nkey?: string | undefined
  /** A file with the certificate authority that signed the server's certificate. */
  ca?: string | undefined
}

export interface ConnectOptions extends BusAddress {
  /** Shown in the server's list of connections. */
  name: string
  /** The only inbox a user with restricted permissions may read: `_INBOX_verify`. */
  inboxPrefix?: string | undefined
  /** Milliseconds for the first connection, for commands that people wait for. Without it: as long as it takes. */
  timeout?: number | undefined
}

/** The bus could not be reached, or refused us. */
export class BusUnreachable extends Error {
  override name = 'BusUnreachable'
  readonly hint: string
  readonly retryable: boolean

  constructor(message: string, { hint, retryable, cause }: { hint: string; retryable: boolean; cause: unknown }) {
    super(message, { cause })
    this.hint = hint
    this.retryable = retryable
  }
}

/**
 * Connects and stays connected: after the first connection every loss is repaired by itself, however long it lasts.
 * `pingInterval` finds a dead link within 15 s; by default nothing would be said for four minutes.
 */
export async function connectBus({
  url,
  token,
  user,
  password,
  nkey,
  ca,
  name,
  inboxPrefix,
  timeout,
}: ConnectOptions): Promise<NatsConnection> {
  try {
    const connection = await connect({
      servers: url,
      name,
      ...(token === undefined ? {} : { token }),
      ...(user === undefined ? {} : { user, pass: password ?? '' }),
      ...(nkey === undefined ? {} : { authenticator: nkeyAuthenticator(new TextEncoder().encode(nkey)) }),
      ...(ca === undefined ? {} : { tls: { caFile: ca } }),
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
      ...(timeout === undefined ? { waitOnFirstConnect: true } : { timeout }),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      // An error, with its stack, for every request: a tenth of our time.
      noAsyncTraces: true,
      pingInterval: 5000,
      maxPingOut: 2,
    })
    if (inboxPrefix !== undefined) inboxPrefixes.set(connection, inboxPrefix)
    return connection
  } catch (error) {
    throw explain(error, Array.isArray(url) ? url.join(', ') : url)
  }
}

/** The client does not tell with which it was opened. */
const inboxPrefixes = new WeakMap<NatsConnection, string>()

/** A subject for answers to this connection alone, one that it may read. */
export function newInbox(connection: NatsConnection): string {
  return createInbox(inboxPrefixes.get(connection))
}

function explain(error: unknown, address: string): BusUnreachable {
  // Some write name and password into the address.
  const url = address.replaceAll(/\/\/[^/\s]*@/g, '//')
  const code = error instanceof NatsError ? error.code : undefined
  if (
    code === ErrorCode.AuthorizationViolation ||
    code === ErrorCode.BadAuthentication ||
    code === ErrorCode.AuthenticationTimeout
  )
    return refused(
      `nats: ${url} refused our name or secret`,
      'Check nats.token, or nats.user and nats.password, in the configuration.',
      error,
    )
  if (code === ErrorCode.ConnectionRefused)
    return absent(`nats: nobody listens at ${url}`, 'Start the server, or correct nats.url in the configuration.', error)
  if (code === ErrorCode.Timeout || code === ErrorCode.ConnectionTimeout)
    return absent(`nats: ${url} did not answer in time`, 'Is it a NATS server, and does a firewall let us through?', error)
  if (isCertificateProblem(error))
    return refused(
      `nats: the certificate of ${url} is not trusted`,
      'Name the file of its certificate authority as nats.ca.',
      error,
    )
  return absent(
    `nats: cannot connect to ${url}: ${error instanceof Error ? error.message : String(error)}`,
    'Check nats.url and the server.',
    error,
  )
}

function isCertificateProblem(error: unknown): boolean {
  const text = error instanceof Error ? `${'code' in error ? String(error.code) : ''} ${error.message}` : ''
  return /certificate|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/i.test(text)
}

function refused(message: string, hint: string, cause: unknown): BusUnreachable {
  return new BusUnreachable(message, { hint, retryable: false, cause })
}

function absent(message: string, hint: string, cause: unknown): BusUnreachable {
  return new BusUnreachable(message, { hint, retryable: true, cause })
}
