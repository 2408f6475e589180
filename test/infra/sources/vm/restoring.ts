/** Restores of a scene, as the command line does them. */

import { locate } from '../../../../infra/find.ts'
import type { Host } from '../../../../infra/hosts/host.ts'
import { placesOf } from '../../../../infra/places.ts'
import { recover, recoveryOf } from '../../../../infra/recover.ts'
import type { House } from '../../../services/house.ts'

export interface Asked {
  source?: string
  to?: string
  part?: string
  vault?: string
  token?: string
  keepAside?: boolean
  signal?: AbortSignal
  host?: Host
}

let count = 0

/** Restores a backup by its id, and answers with what came of it and the warnings. */
export async function restore({ tools }: House, id: string, asked: Asked = {}) {
  const {
    source = 'zeus',
    to,
    part,
    vault,
    token = `t${++count}`,
    keepAside = false,
    signal = new AbortController().signal,
  } = asked
  const warnings: string[] = []
  const located = await locate(placesOf(tools, vault), id)
  const restored = await recover({
    ...recoveryOf(tools, source),
    ...(asked.host && { host: asked.host }),
    ...{ located, to, part, token, keepAside, signal },
    ...{ progress: () => undefined, warn: message => void warnings.push(message) },
  })
  return { ...restored, warnings }
}
