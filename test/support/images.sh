#!/usr/bin/env bash
# Makes the images that the tests and the CRI validation suite (critest) use, out of Debian 12 packages, since a test
# machine may reach no registry. They stand in for the public ones: same names, small, made to behave as asked.
#
# Usage:  images.sh load ENDPOINT            tags registry.k8s.io/pause:3.10 and busybox:latest in that Engine
#         images.sh registry ENDPOINT PORT   starts a registry on 127.0.0.1:PORT that serves them all, filled through
#                                            that Engine the first time; prints its address
#         images.sh data                     prints the folder that the registry's images are kept in
#         images.sh stop PORT                stops that registry; its images stay in the cache
# Input:  ENDPOINT such as unix:///run/cridock-test/20.10/docker.sock; DOCKER, the docker command (default: on PATH).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

here=$repo_root/test/support
make_image=$repo_root/deploy/quickstart/make-image.sh
# What is cached is made anew when one of these files changes.
recipe=$(cat "$here/images.sh" "$here/common.sh" "$make_image" "$repo_root/deploy/quickstart/pause.c" | sha256sum | cut -c1-12)
data=$cache_dir/registry-$recipe
work=''
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

docker_do() { DOCKER_CONFIG=/nonexistent "${DOCKER:-docker}" -H "$endpoint" "$@"; }

# A root file system with busybox. Its shell is that of Debian's other busybox: the static one runs commands inside its
# shell, which a mount over /bin/<command> cannot stop. Neither has pgrep and ipcs.
make_busybox_root() {
  local root=$1 packages shell name library
  packages=$(unpacked_debian bookworm busybox-static libc6 libcap2 util-linux)
  shell=$(unpacked_debian bookworm busybox)
  mkdir -p "$root"/{bin,dev,etc,home,lib64,mnt,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin,var/lib,var/log,var/run,var/www}
  chmod 1777 "$root/tmp"
  cp "$packages/bin/busybox" "$root/bin/"
  "$packages/bin/busybox" --list | grep -vxE 'busybox|sh|ash' |
    while read -r name; do ln "$root/bin/busybox" "$root/bin/$name"; done
  cp "$shell/bin/busybox" "$root/bin/sh"
  cp "$packages/usr/bin/ipcmk" "$root/bin/"
  for library in "$packages"/lib/*-linux-gnu/libc.so.6; do
    name=$(basename "$(dirname "$library")")
    mkdir -p "$root/lib/$name"
    cp -a "$packages/lib/$name"/{ld-linux*,libresolv.so.2} "$library" "$root/lib/$name/"
  done
  # The loader's path is fixed in every program: /lib64/... on amd64, /lib/... on arm64.
  for library in "$packages"/lib64/ld-linux* "$packages"/lib/ld-linux*; do
    [ ! -e "$library" ] || cp -L "$library" "$root/${library#"$packages"/}"
  done
  cat >"$root/bin/pgrep" <<'PGREP'
#!/bin/sh
found=1
for comm in /proc/[0-9]*/comm; do
  read -r name <"$comm" 2>/dev/null || continue
  case $name in *"$1"*) pid=${comm#/proc/}; echo "${pid%/comm}"; found=0 ;; esac
done
exit $found
PGREP
  printf '#!/bin/sh\nexec cat /proc/sysvipc/shm\n' >"$root/bin/ipcs"
  chmod 755 "$root/bin/pgrep" "$root/bin/ipcs"
  cat >"$root/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
PASSWD
  printf '%s\n' root:x:0: www-data:x:33: nobody:x:65534: >"$root/etc/group"
}

# The same with nginx, which answers on PORT with a page of its own.
make_nginx_root() {
  local root=$1 port=$2 packages triplet
  packages=$(unpacked_debian bookworm nginx libc6 libcrypt1 libpcre2-8-0 libssl3 zlib1g)
  triplet=$(basename "$(dirname "$(echo "$packages"/lib/*-linux-gnu/libc.so.6)")")
  make_busybox_root "$root"
  mkdir -p "$root"/{etc/nginx,var/log/nginx,var/lib/nginx,usr/share/nginx/html,"usr/lib/$triplet"}
  cp "$packages/usr/sbin/nginx" "$root/usr/sbin/"
  cp -a "$packages/lib/$triplet"/lib{crypt,z,dl,pthread}.so* "$root/lib/$triplet/"
  cp -a "$packages/usr/lib/$triplet"/lib{ssl,crypto,pcre2-8}.so* "$root/usr/lib/$triplet/"
  echo '<h1>Welcome</h1>' >"$root/usr/share/nginx/html/index.html"
  cat >"$root/etc/nginx/nginx.conf" <<NGINX
user root;
worker_processes 1;
daemon off;
pid /var/run/nginx.pid;
events { worker_connections 64; }
http { server { listen $port; root /usr/share/nginx/html; } }
NGINX
}

# import_image REFERENCE CHANGE ROOT: an image whose only layer holds ROOT, with one change to its config, as
# `docker import -c`.
import_image() {
  tar --numeric-owner --owner=0 --group=0 -C "$3" -c . | docker_do import -c "$2" - "$1" >/dev/null
}

# Everything that critest names, under the same paths in the registry.
fill_registry() {
  local registry=$1 name staging=$1/k8s-staging-cri-tools e2e=$1/e2e-test-images architecture
  local busybox=$work/busybox
  architecture=$(dpkg --print-architecture)
  make_busybox_root "$busybox"
  import_image "$e2e/busybox:1.29-2" 'CMD ["sh"]' "$busybox"
  # Images for pull tests must differ in content: each holds a file with its name.
  for name in test-image-1:latest test-image-2:latest test-image-3:latest test-image-latest:latest \
    test-image-tag:test test-image-tag:all test-image-digest:latest test-image-tags:1; do
    echo "$name" >"$busybox/name"
    import_image "$staging/$name" 'CMD ["sh"]' "$busybox"
  done
  docker_do tag "$staging/test-image-tags:1" "$staging/test-image-tags:2"
  docker_do tag "$staging/test-image-tags:1" "$staging/test-image-tags:3"
  import_image "$staging/test-image-user-uid:latest" 'USER 1002' "$busybox"
  import_image "$staging/test-image-user-username:latest" 'USER www-data' "$busybox"
  import_image "$staging/test-image-user-uid-group:latest" 'USER 1003:1004' "$busybox"
  import_image "$staging/test-image-user-username-group:latest" 'USER www-data:1004' "$busybox"
  echo default-user:x:1000:1000::/home:/bin/sh >>"$busybox/etc/passwd"
  printf '%s\n' default-user:x:1000: group-defined-in-image:x:50000:default-user >>"$busybox/etc/group"
  import_image "$staging/test-image-predefined-group:latest" 'USER 1000' "$busybox"

  make_nginx_root "$work/nginx" 80
  import_image "$e2e/nginx:1.14-2" 'CMD ["nginx"]' "$work/nginx"
  import_image "$e2e/httpd:2.4.39-4" 'CMD ["sh", "-c", "echo httpd starts; exec nginx"]' "$work/nginx"
  make_nginx_root "$work/hostnet" 12003
  import_image "$staging/hostnet-nginx-$architecture:latest" 'CMD ["nginx"]' "$work/hostnet"

  # A set-user-ID program cannot be a script: this one needs a compiler, and its two specs go without it where
  # there is none.
  mkdir -p "$work/nnp"
  if printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' \
    'int main(void) { printf("Effective uid: %d\n", (int)geteuid()); return 0; }' |
    cc -x c -Os -static -s -o "$work/nnp/nnp" - 2>/dev/null; then
    chmod 4755 "$work/nnp/nnp"
    import_image "$e2e/nonewprivs:1.3" 'ENTRYPOINT ["/nnp"]' "$work/nnp"
  else
    say "no C compiler: the image nonewprivs is left out"
  fi

  # Made one by one: removing the image of one version must not take another's away.
  for name in pause:3.9 pause:3.10 pause:3.10.1; do
    BUSYBOX=$busybox/bin/busybox DOCKER_CONFIG=/nonexistent "$make_image" pause "$endpoint" "$registry/$name" >&2
  done

  docker_do images --format '{{.Repository}}:{{.Tag}}' | grep "^$registry/" | while read -r name; do
    docker_do push "$name" >/dev/null
    docker_do rmi "$name" >/dev/null
  done
}

start_registry() {
  local registry
  port=$1
  registry=$("$here/registry.sh" start --name "images-$port" --port "$port" --data "$data")
  if [ ! -e "$data/complete" ]; then
    say "making the test images (once)"
    trap '"$here/registry.sh" stop --name "images-$port"; rm -rf "$work" "$data"' EXIT
    fill_registry "$registry"
    trap 'rm -rf "$work"' EXIT
    touch "$data/complete"
  fi
  echo "$registry"
}

load() {
  local label pause=registry.k8s.io/pause:3.10
  if ! docker_do image inspect "$pause" >/dev/null 2>&1; then
    BUSYBOX=$(unpacked_debian bookworm busybox-static)/bin/busybox DOCKER_CONFIG=/nonexistent \
      "$make_image" pause "$endpoint" "$pause" >&2
  fi
  # shellcheck disable=SC2016 # a Go template
  label=$(docker_do image inspect -f '{{index .Config.Labels "cridock.test.recipe"}}' busybox:latest 2>/dev/null || true)
  if [ "$label" != "$recipe" ]; then
    make_busybox_root "$work/busybox"
    import_image busybox:latest "LABEL cridock.test.recipe=$recipe" "$work/busybox"
  fi
}

command=${1:-} endpoint=${2:-}
case $command:$# in
  load:2)
    work=$(mktemp -d)
    load
    ;;
  registry:3)
    work=$(mktemp -d)
    start_registry "$3"
    ;;
  data:1) echo "$data" ;;
  stop:2) "$here/registry.sh" stop --name "images-$2" ;;
  *) fail "usage: images.sh load ENDPOINT | registry ENDPOINT PORT | data | stop PORT" ;;
esac
