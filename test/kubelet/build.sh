#!/usr/bin/env bash
# Builds programs of Kubernetes from its Go modules into the cache of the tests, and prints the folder they are in.
#
# Usage:  build.sh VERSION PROGRAM...   VERSION such as 1.37.2; PROGRAM: kubelet, kube-apiserver, kubectl and others of
#                                       k8s.io/kubernetes/cmd; etcd and ginkgo, of the versions that Kubernetes names;
#                                       agnhost (the program of the test image); e2e.test
# Output: the folder's path; progress on stderr. A program that is there already is not built again. The first build
#         of all of them takes some ten minutes on two cores, and needs Go and its module proxy.
# Exit:   0 done; 4 it cannot be built here (the last line of stderr says why).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../support/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/common.sh"

version=${1:-}
[ $# -ge 2 ] || fail 'usage: build.sh VERSION PROGRAM...'
shift

dir=$cache_dir/kubernetes/$version-$(dpkg --print-architecture)
missing=()
for program in "$@"; do [ -x "$dir/$program" ] || missing+=("$program"); done
if [ ${#missing[@]} -eq 0 ]; then
  echo "$dir"
  exit
fi

give_up() {
  say "$*"
  exit 4
}
command -v go >/dev/null || give_up "${missing[*]} must be built, and there is no Go"
# Two runs at a time must not build the same.
mkdir -p "$dir"
exec 8>"$dir/.lock"
flock 8

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
export CGO_ENABLED=0 GOFLAGS=-mod=mod GOTOOLCHAIN=auto
file=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p') || true
[ -n "$file" ] || give_up "the Go module proxy does not give k8s.io/kubernetes v$version"
{
  echo 'module cridock.test/kubernetes'
  grep -m1 '^go ' "$file"
  grep '^godebug ' "$file" || true
  echo "require k8s.io/kubernetes v$version"
  # The modules that live in Kubernetes' own tree are released as v0.MINOR.PATCH.
  sed -nE "s#^\s*(k8s\.io/[a-z-]+) => \./staging/.*#replace \1 => \1 v0.${version#*.}#p" "$file"
} >go.mod
cat >tools.go <<'GO'
//go:build tools

package tools

import _ "k8s.io/kubernetes/cmd/kubelet"
GO

linked=(-s -w)
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  linked+=(-X "$package.gitVersion=v$version" -X "$package.gitMajor=${version%%.*}"
    -X "$package.gitMinor=$(echo "$version" | cut -d. -f2)" -X "$package.gitTreeState=clean")
done

# A program is only renamed into place when whole: a run that was cut off leaves no half of one.
build() {
  local program=$1 command=(go build)
  case $program in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    ginkgo) package=github.com/onsi/ginkgo/v2/ginkgo ;;
    agnhost) package=k8s.io/kubernetes/test/images/agnhost ;;
    e2e.test) package=k8s.io/kubernetes/test/e2e command=(go test -c -vet=off) ;;
    e2e_node.test) package=k8s.io/kubernetes/test/e2e_node command=(go test -c -vet=off) ;;
    *) package=k8s.io/kubernetes/cmd/$program ;;
  esac
  nice -n 10 "${command[@]}" -trimpath -buildvcs=false -ldflags "${linked[*]}" -o "$work/$program" "$package" >&2 ||
    give_up "$program $version cannot be built"
  mv "$work/$program" "$dir/.$program.new"
  mv "$dir/.$program.new" "$dir/$program"
}

for program in "${missing[@]}"; do
  [ ! -x "$dir/$program" ] || continue
  say "building $program $version (minutes, once)"
  build "$program"
done
echo "$dir"
