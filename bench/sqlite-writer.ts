/** Run by itself: writes to the database of its argument every 5 ms until its stdin ends, then prints how long each write took, ms. */
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

const [path = ''] = process.argv.slice(2)
const database = new DatabaseSync(path, { timeout: 60_000 })
database.exec('PRAGMA synchronous=NORMAL')
const insert = database.prepare('INSERT INTO journal (at, text) VALUES (?, ?)')
const waits: number[] = []
let running = true
process.stdin.once('end', () => {
  running = false
})
process.stdin.resume()
process.stdout.write('writing\n')
while (running) {
  const begun = performance.now()
  insert.run(Date.now(), 'what happened meanwhile '.repeat(5))
  waits.push(performance.now() - begun)
  await sleep(5)
}
database.close()
process.stdout.write(JSON.stringify(waits.map(wait => Number(wait.toFixed(3)))))
