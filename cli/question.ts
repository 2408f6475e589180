/** Questions to the person at the terminal. Loaded only where somebody can be asked. */

/** Whether there is anybody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true
}

/** One or several of the names. */
export async function pick(message: string, names: readonly string[]): Promise<string[]> {
  const { select } = await import('@inquirer/prompts')
  const everything = { name: 'all of them', value: names }
  return [...(await select({ message, choices: [...names.map(name => ({ name, value: [name] })), everything] }))]
}

/** Yes or no; no where nothing is typed. */
export async function agree(message: string): Promise<boolean> {
  const { confirm } = await import('@inquirer/prompts')
  return confirm({ message, default: false })
}
