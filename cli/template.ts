/** The configuration that `holdfast init` writes. It is valid as it stands. */
export const template = `# yaml-language-server: $schema=./holdfast.schema.json
#
# What Holdfast protects, when, and where copies go. Look for mistakes with: holdfast check
# For completion in your editor: holdfast schema > holdfast.schema.json
# Paths that begin with ./ are relative to this file.

hosts:
  local:
    root: ./backups # every backup is a plain directory in here

plans:
  nightly:
    schedule: "0 2 * * *" # minute hour day month weekday
    # zone: Europe/Zurich # default: this machine's time zone
    keep: { daily: 7, weekly: 4, monthly: 12, atLeast: 3 }
    vaults: [shelf]
    # on: [releases.published] # NATS subjects of others that start it, too

sources:
  # A list of files, directories and patterns, as one compressed archive.
  settings:
    kind: files
    plan: nightly
    paths: [/etc/hosts]
    # optional: [~/.config] # may be absent
    # exclude: ["*.cache"]

  # A SQLite database, copied while its program goes on writing.
  # app:
  #   kind: sqlite
  #   plan: nightly
  #   path: /var/lib/app/app.sqlite
  #   service: # a restore stops and starts it
  #     stop: [systemctl, stop, app]
  #     start: [systemctl, start, app]
  #   health: # and is rolled back where this does not come
  #     http: http://127.0.0.1:8080/health
  #     within: 60s

vaults:
  shelf:
    kind: rsync
    path: ./copies # better another disk, or a mounted NAS: what lies beside the data dies with it

# A bus of your own instead of the private one that Holdfast starts. Secrets come from the environment or a file.
# nats:
#   url: nats://bus.example.com:4222
#   token: \${env:NATS_TOKEN}
`
