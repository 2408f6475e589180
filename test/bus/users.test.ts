import { expect, test } from 'vitest'
import { events } from '../../bus/events.ts'
import { permissionsOf } from '../../bus/permissions.ts'
import { natsUsers } from '../../bus/users.ts'

const prefix = 'backup'
const release = { name: 'release', on: [events.snapshot.failed], emits: [events.release.done, events.release.retrying] }

test('no right reaches beyond the function: no wildcard where another begins', () => {
  const { publish, subscribe } = permissionsOf(release, { prefix, hosts: ['h1', 'h2'] })
  expect(subscribe).toEqual(['_INBOX_release.>'])
  expect(publish.filter(subject => /(CREATE|DELETE|PURGE|UPDATE|MSG\.GET)/.test(subject))).toEqual([])
  expect(publish.filter(subject => subject.startsWith('backup.')).sort()).toEqual(
    ['done', 'failed', 'retrying']
      .flatMap(outcome => ['h1', 'h2'].map(host => `backup.release.${outcome}.${host}.>`))
      .concat('backup.progress')
      .sort(),
  )
})

test('a proof for nobody is a mistake', () => {
  expect(() => natsUsers([release], { prefix, hosts: [], proofs: { relase: { password: 'x' } } })).toThrow(
    'no function is called relase',
  )
})
