#!/usr/bin/env bash
# Makes what packages hold besides the files of the repository and the executable: manual pages, completions, notices, and their
# scripts. The same bytes at each run.
#
# Usage:  stage.sh FOLDER
# Input:  a finished build in dist/; dist/package/third-party-notices.txt, which build-executable.sh makes.
# Output: FOLDER/share, which goes to /usr/share; FOLDER/_cridock, for zsh; FOLDER/scripts/<format>/<name>.
set -euo pipefail

repo_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$repo_root"
stage=$1
mkdir -p "$stage"
umask 022

# put FILE: stdin becomes stage/share/FILE.
put() {
  mkdir -p "$stage/share/$(dirname "$1")"
  cat >"$stage/share/$1"
}

gzip -9n <dist/package/third-party-notices.txt | put doc/cridock/third-party-notices.txt.gz
while read -r page; do
  node dist/deploy/package/man-page.js "$page" | gzip -9n | put "man/man8/$page.8.gz"
done < <(
  echo cridock
  node dist/deploy/package/man-page.js --list
)
ln -s cridock.8.gz "$stage/share/man/man8/cri-dockerd.8.gz"
# completion SHELL FILE [ALIAS]: the script, and a link by the name of the alias where the shell looks by name.
completion() {
  node dist/src/main.js completion "$1" | put "$2"
  [ -z "${3:-}" ] || ln -s "$(basename "$2")" "$stage/share/$(dirname "$2")/$3"
}
completion bash bash-completion/completions/cridock cri-dockerd
# Systems have different folders for it.
node dist/src/main.js completion zsh >"$stage/_cridock"
completion fish fish/vendor_completions.d/cridock.fish cri-dockerd.fish

for script in deploy/package/scripts/{deb,rpm}/*; do
  format=$(basename "$(dirname "$script")") name=$(basename "$script")
  [ "$name" != copyright ] || continue
  mkdir -p "$stage/scripts/$format"
  {
    echo '#!/bin/sh'
    # A script of an rpm goes on where one of its steps fails: the transaction does too.
    [ "$format" = rpm ] || echo 'set -e'
    echo 'own=/usr/bin/cridock'
    cat deploy/package/scripts/service.sh "$script"
  } >"$stage/scripts/$format/$name"
  chmod 755 "$stage/scripts/$format/$name"
done
