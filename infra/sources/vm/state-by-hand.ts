/** The commands of RESTORE.md that put a domain's UEFI variables and the state of its TPM back. */
import { dirname } from 'node:path'
import type { Details } from './details.ts'
import { quoted } from './quoting.ts'

/** What is there is copied aside. */
export function variablesInPlace({ nvram }: Details): string[] {
  if (!nvram) return []
  const path = quoted(nvram.source)
  return [
    `if [ -e ${path} ]; then cp -p -- ${path} ${quoted(`${nvram.source}.before-restore`)}; fi`,
    `mkdir -p ${quoted(dirname(nvram.source))}`,
    `cp -- ${nvram.artifact} ${path}`,
  ]
}

/** What is there is moved aside. */
export function tpmInPlace({ tpm }: Details): string[] {
  if (!tpm) return []
  const [path, before] = [quoted(tpm.source), quoted(`${tpm.source}.before-restore`)]
  return [
    '# The state of its TPM, with the owners that it has there. swtpm has to pass the directory above it.',
    `if [ -e ${before} ]; then rm -rf -- ${path}; elif [ -e ${path} ]; then mv -- ${path} ${before}; fi`,
    storeOf(tpm.source),
    `tar -xzpf ${tpm.artifact} -C ${quoted(dirname(tpm.source))}`,
  ]
}

/** libvirt looks for it by the UUID. */
export function tpmOfCopy({ artifact, source }: NonNullable<Details['tpm']>): string[] {
  return [
    'uuid="$(cat /proc/sys/kernel/random/uuid)"',
    storeOf(source),
    `tar -xzpf ${artifact} -C ${quoted(dirname(source))} --transform "s,^[^/]*,$uuid,"`,
  ]
}

function storeOf(source: string): string {
  const store = quoted(dirname(source))
  return `[ -d ${store} ] || install -d -m 0711 ${store}`
}
