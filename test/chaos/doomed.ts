/** Functions that end their process at a point: the real ones, on real hosts, with a trap in between. */
import type { Cell } from '../../bus/cell.ts'
import { type AnyFunction, type Context, type HostFunction, type Memory, TICK, type TickFunction } from '../../bus/function.ts'
import type { Argv, Host, RunOptions, Stage } from '../../infra/hosts/host.ts'
import type { Tools } from '../../infra/tools.ts'
import { vaultOf } from '../../infra/vaults/all.ts'
import { type Deed, type Point, removeHalf, type Strike, timeOf, untilBegun, writeHalf } from './point.ts'

export interface Doom {
  point: Point
  strike: Strike
}

/** The same functions; the one that the point names does not survive it. */
export function doomedFunctions(functions: readonly AnyFunction<Tools>[], doom: Doom): AnyFunction<Tools>[] {
  return functions.map(fn => (fn.name === doom.point.step ? doomedFunction(fn, doom) : fn))
}

function doomedFunction(fn: AnyFunction<Tools>, doom: Doom): AnyFunction<Tools> {
  const within = async <Result>(handle: (context: Context<Tools>) => Promise<Result>, context: Context<Tools>) => {
    if (doom.point.at === 'start') await doom.strike()
    const result = await handle(doomedContext(context, doom))
    if (doom.point.at === 'end') await doom.strike()
    return result
  }
  if (fn.on === TICK) {
    const handle: TickFunction<Tools>['handle'] = (tick, context) => within(own => fn.handle(tick, own), context)
    return { ...fn, handle }
  }
  const handle: HostFunction<Tools>['handle'] = (data, context) => within(own => fn.handle(data, own), context)
  return { ...fn, handle }
}

/** A cell that is struck before or after the fact of the point is stored. */
export function doomedCell(cell: Cell, { point, strike }: Doom): Cell {
  const [when, type] = point.at.split(' ')
  if (when !== 'publishing' && when !== 'published') return cell
  const store: Cell['exchange']['store'] = async (subject, ...rest) => {
    const struck = subject.startsWith(`${cell.prefix}.${type}.`)
    if (struck && when === 'publishing') await strike()
    const answer = await cell.exchange.store(subject, ...rest)
    if (struck && when === 'published') await strike()
    return answer
  }
  return { ...cell, exchange: { ...cell.exchange, store } }
}

function doomedContext(context: Context<Tools>, doom: Doom): Context<Tools> {
  return {
    ...context,
    tools: doomedTools(context.tools, doom),
    run: doomedMemory('run', context.run, doom),
    planned: doomedMemory('planned', context.planned, doom),
  }
}

function doomedTools(tools: Tools, doom: Doom): Tools {
  const host = (name: string) => doomedHost(tools.host(name), doom)
  return {
    ...tools,
    host,
    source: name => ({ ...tools.source(name), host: host(tools.source(name).config.host) }),
    vault(name) {
      const { config } = tools.vault(name)
      const kind = vaultOf(config.kind)
      if (!kind) throw new Error(`there is no kind of vault called ${config.kind}`)
      return { config, vault: kind.open(name, config.options, host) }
    },
  }
}

function doomedMemory(name: string, memory: Memory, doom: Doom): Memory {
  const told = (key: string) => `${name} ${key}`
  return {
    get: memory.get,
    create: (key, value) => trapped(doom, { name: 'create', told: told(key) }, () => memory.create(key, value)),
    put: (key, value) => trapped(doom, { name: 'put', told: told(key) }, () => memory.put(key, value)),
    remove: (key, revision) => trapped(doom, { name: 'forget', told: told(key) }, () => memory.remove(key, revision)),
  }
}

function doomedHost(host: Host, doom: Doom): Host {
  return {
    ...host,
    run: (argv, options) =>
      trapped(
        doom,
        { name: 'run', told: `${argv.join(' ')} ${options?.input ?? ''}` },
        () => host.run(argv, options),
        () => begin(slowed(host, argv, options)),
      ),
    pipe: (stages, options) =>
      trapped(
        doom,
        { name: 'pipe', told: stages.map(({ argv }) => argv.join(' ')).join(' | ') },
        () => host.pipe(stages, options),
        () => begin(host.pipe([stages[0], hold, ...stages.slice(1)], options)),
      ),
    write: (path, data, options) =>
      trapped(
        doom,
        { name: 'write', told: path },
        () => host.write(path, data, options),
        () => writeHalf(path, data),
      ),
    rename: (from, to) => trapped(doom, { name: 'rename', told: `${from} ${to}` }, () => host.rename(from, to)),
    remove: path =>
      trapped(
        doom,
        { name: 'remove', told: path },
        () => host.remove(path),
        () => removeHalf(path),
      ),
    makeDirectory: (path, options) =>
      trapped(doom, { name: 'makeDirectory', told: path }, () => host.makeDirectory(path, options)),
  }
}

async function trapped<Result>(
  { point, strike }: Doom,
  deed: Deed,
  act: () => Promise<Result>,
  half?: () => Promise<unknown>,
): Promise<Result> {
  const when = timeOf(point, deed)
  if (when === 'half') {
    if (!half) throw new Error(`${deed.name} is whole or not there`)
    await half()
  }
  if (when && when !== 'after') await strike()
  const result = await act()
  if (when === 'after') await strike()
  return result
}

/** The command runs on while its starter dies; one that ended already was not slow enough. */
async function begin(command: Promise<unknown>): Promise<void> {
  await Promise.race([
    untilBegun(),
    command.then(() => {
      throw new Error('the command ended before it could be cut off')
    }),
  ])
}

/** Lets some bytes through and then no more. */
const hold: Stage = { argv: ['sh', '-c', 'head -c 65536; exec sleep 600'] }

function slowed(host: Host, argv: Argv, options: RunOptions = {}): Promise<unknown> {
  const [program, ...rest] = argv
  if (program === 'rsync') return host.run(['rsync', '--bwlimit=32', ...rest], options)
  const script = String(options.input ?? '')
  if (script.includes(COPIED)) return host.run(argv, { ...options, input: script.replace(COPIED, `${ENDLESS}\n${COPIED}`) })
  return host.run(['sleep', '600'], options)
}

/** What a database's own program says between the copy and its end. */
const COPIED = '.print copied'
const ENDLESS = 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n;'
