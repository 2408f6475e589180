import tab from '@bomb.sh/tab/commander'
import type { Command } from 'commander'

/** `holdfast completion bash|zsh|fish`: from the tree of commands itself, so this one is registered last. */
export function completionCommand(program: Command): void {
  tab(program, { completionCommandName: 'completion' })
}
