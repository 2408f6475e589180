/** The XML of a guest: boots the kernel directly, emulated, with as little hardware as will do. */
import type { Disk } from './guest-disks.ts'
import type { GuestImage } from './guest-image.ts'

export interface Hardware {
  /** MB. Default: 256 */
  memory?: number
  /** `running`; `dead`: the channel is there and nobody answers; `absent`: no channel. Default: `running` */
  agent?: 'running' | 'dead' | 'absent'
  /** A screen and VNC on a socket, for `virsh screenshot`. Default: false */
  video?: boolean
  /** A network card on QEMU's own network. Default: false */
  network?: boolean
  /** `empty` for a drive without a disc, a path for one with. */
  cdrom?: 'empty' | (string & {})
  /** Ignores the power button and the agent's shutdown. Default: false */
  ignoresShutdown?: boolean
  /** Writes records. Default: true */
  writes?: boolean
  /** UEFI with NVRAM in `<name>.nvram.fd`, from the package ovmf; slow to boot emulated. Default: `bios` */
  firmware?: 'bios' | 'uefi'
  /** XML put among the devices. */
  devices?: string
}

export interface Machine extends Hardware {
  name: string
  uuid: string
  image: GuestImage
  disks: readonly Disk[]
  console: string
  nvram: string
}

/** The package ovmf's: `requires('libvirt', UEFI)` */
export const UEFI = '/usr/share/OVMF/OVMF_CODE_4M.fd'

/** Without the kernel's self-tests, security modules and calibration of its clock: half a second less until the agent answers. */
const quick = 'quiet audit=0 ima=off selinux=0 apparmor=0 cryptomgr.notests lpj=5000000 tsc=reliable random.trust_cpu=on'

/** The whole document, for `virsh define`. */
export function domainXml(machine: Machine): string {
  const { name, uuid, memory = 256, image, disks } = machine
  return `<domain type='qemu'>
  <name>${name}</name>
  <uuid>${uuid}</uuid>
  <memory unit='MiB'>${memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='${machine.firmware === 'uefi' ? 'q35' : 'pc'}'>hvm</type>${firmwareXml(machine)}
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initramfs}</initrd>
    <cmdline>${commandLine(machine)}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='custom'><model>qemu64</model></cpu>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
${[...disks.map(diskXml), ...others(machine)].map(line => `    ${line}`).join('\n')}
  </devices>
</domain>
`
}

function commandLine({ agent = 'running', ignoresShutdown = false, writes = true }: Hardware): string {
  const wishes = { 'ignore-shutdown': ignoresShutdown, 'no-writer': !writes, 'no-agent': agent !== 'running' }
  const asked = Object.entries(wishes).flatMap(([flag, wanted]) => (wanted ? [`holdfast.${flag}`] : []))
  return ['console=tty0 console=ttyS0', quick, ...asked].join(' ')
}

function firmwareXml({ firmware = 'bios', nvram }: Machine): string {
  if (firmware === 'bios') return ''
  const template = UEFI.replace('CODE', 'VARS')
  return `<loader readonly='yes' type='pflash'>${UEFI}</loader><nvram template='${template}'>${nvram}</nvram>`
}

function diskXml({ path, format, target }: Disk): string {
  const driver = `<driver name='qemu' type='${format}'/>`
  return `<disk type='file' device='disk'>${driver}<source file='${path}'/><target dev='${target}' bus='virtio'/></disk>`
}

function others({
  agent = 'running',
  video = false,
  network = false,
  cdrom,
  devices,
  console: file,
  firmware,
}: Machine): string[] {
  const disc = cdrom === 'empty' ? '' : `<source file='${cdrom}'/>`
  const slot = firmware === 'uefi' ? "<target dev='sda' bus='sata'/>" : "<target dev='hda' bus='ide'/>"
  const drive = `<disk type='file' device='cdrom'>${disc}${slot}<readonly/></disk>`
  const channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
  const screen = "<graphics type='vnc'><listen type='socket'/></graphics><video><model type='vga' vram='16384'/></video>"
  return [
    ...(cdrom ? [drive] : []),
    "<controller type='usb' model='none'/>",
    `<serial type='file'><source path='${file}'/></serial>`,
    ...(agent === 'absent' ? [] : [channel]),
    ...(network ? ["<interface type='user'><model type='virtio'/></interface>"] : []),
    ...(video ? [screen] : []),
    "<memballoon model='none'/>",
    ...(devices ? [devices] : []),
  ]
}
