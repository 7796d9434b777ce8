#!/usr/bin/env bash
# Makes the disk of a modern node: Debian 13 with systemd, one cgroup hierarchy (v2), AppArmor, and a Docker Engine.
# Made once and kept in the test cache; vm.sh boots it.
#
# Usage:  make-image.sh [ENGINE]
#         ENGINE: 26.1, 28.5.2 (default), 29.8; with "+containerd" for the containerd image store
# Input:  Debian's archive as this machine's apt uses it, or CRIDOCK_DEBIAN_MIRROR; an Engine that runs here for some
#         seconds, where the tests' images are not made yet: the node serves them itself, under their public names.
# Output: the image's folder, with disk.img, vmlinuz, initrd.img and ssh-key, the only line on stdout.
# Exit:   0 made or already there; 4 it cannot be made here, the last line of stderr says why; 1 anything else.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"
# shellcheck source-path=SCRIPTDIR source=programs.sh
. "$repo_root/test/node-vm/programs.sh"

here=$repo_root/test/node-vm
support=$repo_root/test/support
engine=${1:-28.5.2}
release=${engine%+containerd}
suite=trixie disk_size=8G
images=$cache_dir/node-vm
give_up() {
  say "$*"
  exit 4
}

case $release in
  26.1) engine_suite=trixie ;;
  28.5.2 | 29.8) engine_suite=sid ;;
  *) fail "unknown Engine $engine (there are 26.1, 28.5.2 and 29.8)" ;;
esac
packages=systemd-sysv,dbus,udev,kmod,mount,procps,util-linux,iproute2,iptables,nftables,apparmor,openssh-server,passwd
packages+=,init-system-helpers,ca-certificates,busybox-static,docker.io,docker-cli,containerd,runc,crun,tini
packages+=,containernetworking-plugins,docker-registry,conntrack,socat,curl,jq,python3-minimal,psmisc,strace
kernel=linux-image-cloud-amd64

# The image is made anew when what it is made of changes.
base_recipe=$(echo "$suite $engine_suite $packages $kernel" | sha256sum | cut -c1-12)
image_recipe=$(
  cd "$here"
  { echo "$base_recipe $engine" && cat make-image.sh initrd-init && find guest -type f | sort | xargs cat &&
      cat "$support"/{images,build-dockerd}.sh; } | sha256sum | cut -c1-12
)
image=$images/$engine-$image_recipe

# The root file system as Debian's packages make it, in a tar file.
make_base() {
  local mirror sources
  # shellcheck disable=SC2016 # apt fills it in, not the shell
  mirror=${CRIDOCK_DEBIAN_MIRROR:-$(apt-get indextargets --no-release-info --format '$(REPO_URI)' | grep -m1 -E '/debian/?$' || true)}
  [ -n "$mirror" ] || give_up "no Debian archive among apt's sources: set CRIDOCK_DEBIAN_MIRROR"
  sources=("deb $mirror $suite main")
  mkdir -p "$work/preferences"
  printf 'Package: *\nPin: release n=sid\nPin-Priority: 100\n\n' >"$work/preferences/node"
  if [ "$engine_suite" != "$suite" ]; then
    sources+=("deb $mirror $engine_suite main")
    printf 'Package: %s\nPin: release n=%s\nPin-Priority: 900\n' \
      'docker.io docker-cli containerd runc containernetworking-plugins tini crun' "$engine_suite" >>"$work/preferences/node"
  fi
  say "installing Debian $suite with the Engine of $engine_suite (a minute or two, once)"
  # The kernel is unpacked, not installed: its installation would make an initrd of everything.
  # shellcheck disable=SC2016 # mmdebstrap's shell expands them
  nice -n 10 mmdebstrap --quiet --mode=root --variant=minbase --format=tar \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' --dpkgopt='force-unsafe-io' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\" && cp '$work/preferences/node' \"\$1/etc/apt/preferences.d/\"" \
    --customize-hook='image=$(chroot "$1" apt-cache depends --important '"$kernel/$suite"' | sed -n "s/^ *Depends: \(linux-image-\)/\1/p" | head -n 1)
      mkdir "$1/kernel" && chroot "$1" sh -c "cd /kernel && apt-get -o APT::Sandbox::User=root download $image/'"$suite"'"' \
    --include="$packages" "$suite" "$work/base.tar" "${sources[@]}" >&2 || give_up 'mmdebstrap could not install it'
  mv "$work/base.tar" "$base"
}

# Sets registry_data to the folder of a docker-registry with the tests' images.
fill_registry() {
  local endpoint port=$((port_base + 3)) through=(28.5.2 --name node-images)
  registry_data=$("$support/images.sh" data)
  [ ! -e "$registry_data/complete" ] || return 0
  "$repo_root/deploy/quickstart/install-prerequisites.sh" --without-engine >&2 8>&-
  endpoint=unix://$("$support/engine.sh" start "${through[@]}" 8>&-) || give_up 'no Engine can run here to make the images with'
  DOCKER=$("$support/engine.sh" docker "${through[0]}") "$support/images.sh" registry "$endpoint" "$port" >/dev/null 8>&- || registry_data=''
  "$support/images.sh" stop "$port"
  "$support/engine.sh" stop "${through[@]}" 8>&-
  [ -n "$registry_data" ] || fail "the images that the node serves could not be made"
}

add_kernel() {
  local version file module
  dpkg -x "$root"/kernel/linux-image-*.deb "$work/kernel"
  rm -rf "$root/kernel"
  mkdir -p "$root/usr/lib/modules"
  mv "$work"/kernel/{usr/,}lib/modules/* "$root/usr/lib/modules/" 2>/dev/null || [ -n "$(ls "$root/usr/lib/modules")" ]
  cp "$work"/kernel/boot/config-* "$root/boot/"
  cp "$work"/kernel/boot/vmlinuz-* "$work/image/vmlinuz"
  version=$(ls "$root/usr/lib/modules")
  chroot "$root" depmod "$version"

  # A small initrd of our own: busybox, and the modules of the disk in the order that they need each other.
  mkdir -p "$work"/initrd/{bin,dev,proc,sys,root,modules}
  install -m 755 "$here/initrd-init" "$work/initrd/init"
  cp "$root/usr/bin/busybox" "$work/initrd/bin/"
  ln -s busybox "$work/initrd/bin/sh"
  for module in virtio_pci virtio_blk ext4 crc32c_intel virtio_net; do
    { chroot "$root" modprobe --set-version "$version" --show-depends "$module" 2>/dev/null || true; } |
      awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++' | while read -r file; do
    module=$(basename "$file" .xz)
    case $file in
      *.xz) xz -dc "$root$file" >"$work/initrd/modules/$module" ;;
      *) cp "$root$file" "$work/initrd/modules/" ;;
    esac
    echo "$module" >>"$work/initrd/modules/list"
  done
  (cd "$work/initrd" && find . | ./bin/busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$work/image/initrd.img"
}

settle() {
  local wanted=(systemd-networkd ssh docker containerd apparmor node-registry)
  local unwanted=(docker-registry.service systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer
    e2scrub_all.timer e2scrub_reap.service dpkg-db-backup.timer fstrim.timer getty@tty1.service man-db.timer
    systemd-firstboot.service systemd-hwdb-update.service systemd-timesyncd.service ldconfig.service)
  cp -r "$here/guest/." "$root/"
  case $engine in *+containerd) containerd_store=true ;; *) containerd_store=false ;; esac
  sed -i "1s/{/{ \"features\": { \"containerd-snapshotter\": $containerd_store },/" "$root/etc/docker/daemon.json"
  echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
  : >"$root/etc/machine-id"
  sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
  ssh-keygen -q -t ed25519 -N '' -C node -f "$work/image/ssh-key"
  install -d -m 700 "$root/root/.ssh"
  install -m 600 "$work/image/ssh-key.pub" "$root/root/.ssh/authorized_keys"
  rm -f "$root"/etc/ssh/ssh_host_{rsa,ecdsa}_key*
  mkdir -p "$root/var/lib/node-registry"
  cp -a "$registry_data/." "$root/var/lib/node-registry/"
  # systemctl warns that /proc is not mounted.
  chroot "$root" systemctl -q enable "${wanted[@]}" 2>/dev/null
  chroot "$root" systemctl -q mask "${unwanted[@]}" >/dev/null 2>/dev/null
  chroot "$root" systemctl -q set-default multi-user.target 2>/dev/null
  [ "$release" != 29.8 ] || install -m 755 "$dockerd" "$root/usr/sbin/dockerd"
  rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
}

[ "$(id -u)" = 0 ] || give_up 'the image of the node cannot be made: not root'
[ "$(dpkg --print-architecture)" = amd64 ] || give_up 'the node is made for amd64 only'
mkdir -p "$images"
exec 8>"$images/lock"
flock 8
if [ -e "$image/disk.img" ]; then
  touch "$image"
  echo "$image"
  exit 0
fi
for tool in mmdebstrap:mmdebstrap mke2fs:e2fsprogs ssh-keygen:openssh-client xz:xz-utils; do
  get_program "${tool%:*}" "${tool#*:}" 8>&- || give_up "no ${tool%:*}"
done
dockerd=''
if [ "$release" = 29.8 ]; then
  dockerd=$("$support/engine.sh" daemon 29.8 8>&-) || give_up 'Engine 29.8 cannot be built here'
fi
fill_registry
work=$(mktemp -d "$images/.make-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root base=$images/base-$base_recipe.tar
mkdir "$work/image" "$root"
[ -e "$base" ] || make_base
say "making the disk for Engine $engine"
tar -C "$root" --numeric-owner -xf "$base"
add_kernel
settle
mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -O ^metadata_csum,^has_journal -m 0 -d "$root" "$work/image/disk.img" "$disk_size" >&2
# Those of older recipes have served.
find "$images" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
mv -T "$work/image" "$image"
echo "$image"
