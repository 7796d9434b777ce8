#!/usr/bin/env bash
# Signs the checksums of a release with GPG: what the field's package managers know.
#
# Usage:  sign.sh FOLDER
# Input:  FOLDER/SHA256SUMS; CRIDOCK_RELEASE_KEY, a file with a secret key (ASCII), and CRIDOCK_RELEASE_PASSPHRASE where it has one.
# Output: FOLDER/SHA256SUMS.asc, and the public key as FOLDER/cridock-release-key.asc.
set -euo pipefail

folder=$1
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
gpg --batch --quiet --pinentry-mode loopback --passphrase-fd 3 --import "$CRIDOCK_RELEASE_KEY" 3<<<"${CRIDOCK_RELEASE_PASSPHRASE:-}"
# By a descriptor: what is on a command line, everyone on the machine can read.
gpg --batch --quiet --yes --pinentry-mode loopback --passphrase-fd 3 --armor --detach-sign \
  --output "$folder/SHA256SUMS.asc" "$folder/SHA256SUMS" 3<<<"${CRIDOCK_RELEASE_PASSPHRASE:-}"
gpg --batch --quiet --armor --export >"$folder/cridock-release-key.asc"
