import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { documentText, hold } from '../../infra/backups.ts'
import { InvalidInput } from '../../infra/errors.ts'
import type { Found } from '../../infra/find.ts'
import { HOLD } from '../../infra/layout.ts'
import { eachCopy } from '../copies.ts'

/** `holdfast hold ID`: keeps prune away from a backup, in every place that has it. */
export function holdCommand(program: Command): void {
  program
    .command('hold')
    .description('keep a backup out of retention, here and in the vaults')
    .argument('<id>', 'the backup, or the beginning of its id')
    .requiredOption('--reason <text>', 'why it is kept')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      if (/\p{Cc}/u.test(reason))
        throw new InvalidInput('the reason holds line breaks or other control characters', {
          hint: 'Give it as one line of text.',
        })
      const why = { at: new Date().toISOString(), reason, by: userInfo().username }
      await eachCopy(id, command.optsWithGlobals(), 'held', async ({ place, backup }: Found) => {
        if (place.vault) await place.vault.annotate(backup, HOLD, documentText(HOLD, why))
        else if (place.host) await hold(place.host, backup.directory, why)
      })
    })
}
