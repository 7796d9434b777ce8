#!/usr/bin/env bash
# Makes the images that the specs of Kubernetes' e2e suite run in, since a test machine may reach no registry: busybox is
# that of images.sh, a minimal Debian with bash and curl stands in for the base of the others, and agnhost is built from
# its Go module.
#
# Usage:  e2e-images.sh ENDPOINT REGISTRY PROGRAMS
# Input:  ENDPOINT, the Engine's, such as unix:///run/docker.sock; REGISTRY, a plain one such as 127.0.0.1:5011, where
#         what specs pull is pushed to; PROGRAMS, a folder with e2e.test and agnhost; DOCKER, the docker command.
#         The Engine has the images of images.sh load.
# Output: the images are in the Engine, under the names that e2e.test has for them.
# Exit:   0 done; 4 they cannot be made here (the last line of stderr says why).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"

[ $# = 3 ] || fail 'usage: e2e-images.sh ENDPOINT REGISTRY PROGRAMS'
endpoint=$1 registry=$2 programs=$3
packages=curl,busybox-static,iproute2,netcat-openbsd,socat,procps
recipe=$(cat "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12)
archive=$cache_dir/debian/e2e-bookworm-$(echo "$packages" | cksum | cut -d' ' -f1).tar
base=cridock-test/e2e-base:$recipe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

docker_do() { DOCKER_CONFIG=/nonexistent "${DOCKER:-docker}" -H "$endpoint" "$@"; }
# The references that e2e.test has for an image of this name: some are there in two versions.
references() { { grep -E "^registry\.k8s\.io/(e2e-test-images/)?$1:[^/]*$" "$work/references" || true; } | sort; }
# name IMAGE NAME: gives the image all references of this name.
name() { references "$2" | while read -r reference; do docker_do tag "$1" "$reference"; done; }

make_archive() {
  local mirror
  command -v mmdebstrap >/dev/null ||
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install mmdebstrap >&2 || { say 'no mmdebstrap' && exit 4; }
  # shellcheck disable=SC2016 # apt fills it in, not the shell
  mirror=${CRIDOCK_DEBIAN_MIRROR:-$(apt-get indextargets --no-release-info --format '$(REPO_URI)' | grep -m1 -E '/debian/?$' || true)}
  say 'installing a minimal Debian for the images (a minute, once)'
  nice -n 10 mmdebstrap --quiet --mode=root --variant=minbase --format=tar --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Retries "3"' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --include="$packages" bookworm "$work/base.tar" ${mirror:+"$mirror"} >&2 || {
    say 'mmdebstrap could not install a Debian for the images'
    exit 4
  }
  mkdir -p "$(dirname "$archive")"
  mv "$work/base.tar" "$archive"
}

# derive NAME BASE FOLDER CHANGE...: the base with the files of a folder and changes to its config.
derive() {
  local image=$1 from=$2 folder=$3 container change changes=()
  shift 3
  for change in "$@"; do changes+=(-c "$change"); done
  container=$(docker_do create "$from" true)
  tar -C "$folder" --numeric-owner --owner=0 --group=0 -c . | docker_do cp - "$container:/"
  name "$(docker_do commit "${changes[@]}" "$container")" "$image"
  docker_do rm "$container" >/dev/null
}

# What the Debian lacks of busybox, as links to Debian's own busybox.
make_base() {
  local container
  docker_do import - "$base-debian" <"$archive" >/dev/null
  container=$(docker_do create "$base-debian" sh -c '
    busybox --list | while read -r name; do
      command -v "$name" >/dev/null || ln -s /bin/busybox "/usr/local/bin/$name"
    done')
  docker_do start -a "$container"
  docker_do commit -c 'CMD ["sh"]' "$container" "$base" >/dev/null
  docker_do rm "$container" >/dev/null
}

# The image that the suite's own private registry serves, in the layout of agnhost's fake-registry-server.
fill_fake_registry() {
  local target=$1/var/registry/pause manifest digest
  docker_do tag registry.k8s.io/pause:3.10 "$registry/pause:testing"
  docker_do push -q "$registry/pause:testing" >/dev/null
  docker_do rmi "$registry/pause:testing" >/dev/null
  mkdir -p "$target/manifests" "$target/blobs"
  manifest=$work/manifest
  curl -fsS -H 'Accept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json' \
    "http://$registry/v2/pause/manifests/testing" >"$manifest"
  digest=$(sha256sum "$manifest" | cut -d' ' -f1)
  echo "sha256:$digest" >"$target/manifests/testing"
  install -D -m 644 "$manifest" "$target/manifests/sha256/${digest:0:2}/$digest/data"
  { grep -oE 'sha256:[0-9a-f]{64}' "$manifest" || true; } | sort -u | cut -d: -f2 | while read -r digest; do
    mkdir -p "$target/blobs/sha256/${digest:0:2}/$digest"
    curl -fsS "http://$registry/v2/pause/blobs/sha256:$digest" >"$target/blobs/sha256/${digest:0:2}/$digest/data"
  done
}

make_agnhost() {
  local root=$work/agnhost sources
  mkdir -p "$root/uploads" "$root/etc"
  cp "$programs/agnhost" "$root/agnhost"
  ln -s agnhost "$root/agnhost-2"
  # A server's certificate for localhost, as the image has one.
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$root/localhost.key" -out "$root/localhost.crt" 2>/dev/null
  chmod 644 "$root/localhost.key"
  tar -xOf "$archive" ./etc/passwd >"$root/etc/passwd"
  tar -xOf "$archive" ./etc/group >"$root/etc/group"
  echo user-defined-in-image:x:1000:1000::/home:/bin/sh >>"$root/etc/passwd"
  printf '%s\n' user-defined-in-image:x:1000: group-defined-in-image:x:50000:user-defined-in-image >>"$root/etc/group"
  fill_fake_registry "$root"
  derive agnhost "$base" "$root" 'ENTRYPOINT ["/agnhost"]' 'CMD ["pause"]' 'EXPOSE 80 8080 8081 9376 5000'
}

make_nonewprivs() {
  mkdir -p "$work/nnp/usr/local/bin"
  printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' \
    'int main(void) { printf("Effective uid: %d\n", (int)geteuid()); return 0; }' |
    cc -x c -Os -static -s -o "$work/nnp/usr/local/bin/nnp" - 2>/dev/null || { say 'no C compiler: nonewprivs is left out' && return; }
  chmod 4755 "$work/nnp/usr/local/bin/nnp"
  derive nonewprivs "$base" "$work/nnp" 'CMD ["nnp"]'
}

"$programs/e2e.test" --list-images >"$work/references" 2>/dev/null
# shellcheck disable=SC2016 # a Go template
if ! docker_do image inspect "$base" >/dev/null 2>&1; then
  [ -e "$archive" ] || make_archive
  say 'making the images of the e2e suite'
  name registry.k8s.io/pause:3.10 pause
  make_base
  mkdir "$work/nothing"
  for stand_in in busybox nginx; do name busybox:latest "$stand_in"; done
  for stand_in in ipc-utils glibc-dns-testing; do name "$base" "$stand_in"; done
  derive nonroot busybox:latest "$work/nothing" 'USER 1234'
  make_nonewprivs
  make_agnhost
fi
# One spec pulls this one.
references agnhost | while read -r reference; do
  docker_do tag "$reference" "$registry/${reference#*/}"
  docker_do push -q "$registry/${reference#*/}" >/dev/null
  docker_do rmi "$registry/${reference#*/}" >/dev/null
done
