/** The command line. */
process.umask(0o077)

import { program } from './program.ts'

// Whoever reads us may stop reading: `holdfast list | head`.
process.stdout.on('error', error => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1))

try {
  const words = process.argv.slice(2)
  await (await program(words)).parseAsync(words, { from: 'user' })
} catch (error) {
  const { explain } = await import('./errors.ts')
  // Whatever still holds the process, such as a bus that was being started, has nothing left to do.
  process.exit(explain(error))
}
