/** A restic repository whose snapshots cost nothing: `restic backup` takes half a second each, so they are written as restic would. */
import { execFileSync } from 'node:child_process'
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const MasterKey = z.object({ mac: z.object({ k: z.base64(), r: z.base64() }), encrypt: z.base64() })
type MasterKey = z.infer<typeof MasterKey>

const Forgotten = z.array(
  z.object({
    keep: z.array(z.object({ id: z.string() })),
    reasons: z.array(z.object({ snapshot: z.object({ time: z.string() }), matches: z.array(z.string()) })),
  }),
)

export class ResticRepository {
  readonly directory: string
  readonly #key: MasterKey

  constructor(directory: string) {
    this.directory = directory
    this.#run('init', '--quiet')
    this.#key = MasterKey.parse(JSON.parse(this.#run('cat', 'masterkey')))
  }

  /** Writes a snapshot of the moment, as its clock shows it there, and returns its id. */
  add(at: Date, zone: string): string {
    const snapshot = { time: clockTime(at, zone), tree: '0'.repeat(64), paths: ['/data'], hostname: 'test', username: 'test' }
    const file = seal(Buffer.from(JSON.stringify(snapshot)), this.#key)
    const id = createHash('sha256').update(file).digest('hex')
    mkdirSync(join(this.directory, 'snapshots'), { recursive: true })
    writeFileSync(join(this.directory, 'snapshots', id), file)
    return id
  }

  /** The ids that `restic forget` would keep. Newer versions also keep the oldest one while a rule is not used up; that is left out. */
  kept(options: readonly string[]): string[] {
    const [group] = Forgotten.parse(JSON.parse(this.#run('forget', '--dry-run', '--json', ...options)))
    return (group?.keep ?? [])
      .map(({ id }) => id)
      .filter((_, index) => !group?.reasons[index]?.matches.every(match => match.startsWith('oldest ')))
  }

  snapshots(): string[] {
    return readdirSync(join(this.directory, 'snapshots'))
  }

  #run(...args: string[]): string {
    const env = { PATH: process.env.PATH, HOME: this.directory, RESTIC_PASSWORD: 'test', RESTIC_REPOSITORY: this.directory }
    return execFileSync('restic', ['--no-cache', ...args], { env, encoding: 'utf8' })
  }
}

/** `2026-11-21T14:00:00+01:00` */
function clockTime(at: Date, zone: string): string {
  const name = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(at)
  const offset = name.find(({ type }) => type === 'timeZoneName')?.value.slice(3) || '+00:00'
  const minutes = Number(`${offset[0]}1`) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6)))
  return `${new Date(at.getTime() + minutes * 60_000).toISOString().slice(0, 19)}${offset}`
}

/** restic's format: IV, AES-256-CTR, Poly1305-AES over the ciphertext. */
function seal(plain: Uint8Array, { encrypt, mac }: MasterKey): Uint8Array {
  const iv = randomBytes(16)
  const cipher = createCipheriv('aes-256-ctr', Buffer.from(encrypt, 'base64'), iv)
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
  const nonce = createCipheriv('aes-128-ecb', Buffer.from(mac.k, 'base64'), null).setAutoPadding(false).update(iv)
  return Buffer.concat([iv, ciphertext, poly1305(ciphertext, Buffer.from(mac.r, 'base64'), nonce)])
}

function poly1305(message: Uint8Array, r: Uint8Array, nonce: Uint8Array): Uint8Array {
  const prime = 2n ** 130n - 5n
  const factor = littleEndian(r) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  let sum = 0n
  for (let at = 0; at < message.length; at += 16)
    sum = ((sum + littleEndian([...message.subarray(at, at + 16), 1])) * factor) % prime
  const tag = (sum + littleEndian(nonce)) % 2n ** 128n
  return Uint8Array.from({ length: 16 }, (_, index) => Number((tag >> BigInt(8 * index)) & 0xffn))
}

function littleEndian(bytes: Iterable<number>): bigint {
  return [...bytes].reduce((sum, byte, index) => sum + (BigInt(byte) << BigInt(8 * index)), 0n)
}
