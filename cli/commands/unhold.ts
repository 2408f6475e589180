import type { Command } from 'commander'
import { unhold } from '../../infra/backups.ts'
import type { Found } from '../../infra/find.ts'
import { HOLD } from '../../infra/layout.ts'
import { eachCopy } from '../copies.ts'

/** `holdfast unhold ID`: gives a backup back to its retention, in every place that has it. */
export function unholdCommand(program: Command): void {
  program
    .command('unhold')
    .description('give a backup back to its retention, here and in the vaults')
    .argument('<id>', 'the backup, or the beginning of its id')
    .action(async (id: string, _options: unknown, command: Command) => {
      const held = ({ backup }: Found) => backup.hold !== undefined
      await eachCopy(id, command.optsWithGlobals(), 'given back to retention', giveBack, { only: held, otherwise: 'is not held' })
    })
}

async function giveBack({ place, backup }: Found): Promise<void> {
  if (place.vault) await place.vault.annotate(backup, HOLD, undefined)
  else if (place.host) await unhold(place.host, backup.directory)
}
