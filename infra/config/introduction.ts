/** What the reference says before its tables. */
export const introduction = `<!-- Made by: holdfast schema --markdown > docs/configuration.md -->
# holdfast.yaml

Holdfast reads \`./holdfast.yaml\`, or \`/etc/holdfast/holdfast.yaml\` where there is none here; \`--config FILE\` names another.
\`holdfast init\` writes a commented one, and \`holdfast check\` names every mistake with line and column, then looks whether what it
names is there. \`holdfast schema > holdfast.schema.json\` lets editors complete it.

\`\`\`yaml
plans:
  nightly:
    schedule: "0 2 * * *"
    keep: { daily: 7, weekly: 4, monthly: 12, atLeast: 3 }
    vaults: [nas]
sources:
  app:
    kind: sqlite
    plan: nightly
    path: /srv/app/app.db
vaults:
  nas:
    kind: rsync
    path: /mnt/nas/holdfast
\`\`\`

- **Names** of hosts, plans, sources and vaults are \`a-z\`, \`0-9\`, \`-\` and \`_\`, and begin with a letter or digit.
- **Durations** are numbers with units, \`90s\`, \`10m\`, \`1h30m\`, \`1d\`; the units are \`ms s m h d w\`, and a day has 24 hours. **Sizes** are
  \`500MB\` or \`4GiB\`: \`GB\` is 10⁹ bytes, \`GiB\` 2³⁰.
- **Secrets** stay outside: in every text, \`\${env:NAME}\` is an environment variable and \`\${file:path}\` what a file holds, without its
  last newline. One that is missing or empty is a mistake. What was put in appears in no message. \`$\${\` stands for a plain \`\${\`.
- **Relative paths** are those that are written with \`./\` or \`../\` in front; they begin at the file's own directory. \`~/\` is the home of
  the user that runs Holdfast. Other texts are taken as they are.
- **Hosts**: for now every host is this machine. Without \`hosts\` there is one, \`local\`.
- **Lists**: where one name or one cron expression is meant, it may stand alone.
- A running Holdfast reads the file again when it changes or on SIGHUP. What is invalid is refused aloud, and what was in force
  stays; so is a change of \`nats\` or \`settings\`, which needs a restart.
- No vault may lie in a host's \`root\` or in another vault, and none of them in what is backed up, unless \`exclude\` leaves it out.
`
