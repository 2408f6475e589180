/** What runs on this machine. */
import { readdir, readFile } from 'node:fs/promises'

/** Command lines of running programs that name a path below a directory. */
export async function commandsAt(directory: string): Promise<string[]> {
  const processes = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  // Gone since the directory was read: not running.
  const commands = await Promise.all(processes.map(id => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')))
  return commands.filter(command => command.includes(directory)).map(command => command.replaceAll('\0', ' '))
}
