# Process 1 of a libvirt's namespaces: puts the directory given over libvirt's own, says its pid as seen from outside, and reaps.
# All that runs in here ends with it, and it ends when its stdin does.
set -eu
home=$1
read -r pid _ < /proc/self/stat
mount -t proc proc /proc
over() {
  mkdir -p "$1"
  mount --rbind "$home/$2" "$1"
}
# The state of TPMs lies where libvirt has it, inside and outside: nobody can tell it another place.
if [ -d "$home/lib/swtpm" ]; then
  mkdir -p -m 0711 /var/lib/libvirt/swtpm
  mount --bind /var/lib/libvirt/swtpm "$home/lib/swtpm"
  mkdir -p "$home/log/swtpm" "$home/cache/swtpm"
  chown --reference=/var/lib/swtpm-localca "$home/cache/swtpm"
  over /var/log/swtpm log/swtpm
  over /var/lib/swtpm-localca cache/swtpm
fi
over /etc/libvirt etc
over /var/lib/libvirt lib
over /var/cache/libvirt cache
over /var/log/libvirt log
over /run/libvirt run
# Without it libvirt would tell the machine's systemd about our guests.
if [ -d /run/dbus ]; then over /run/dbus nothing; fi
echo "$pid"
while read -r _; do :; done
