#!/bin/sh
# Runs a command with COFFER_SMALL_DRIVE naming an empty file system of 2 GiB of its own, in memory
# and without privileges: it is mounted in a name space of the command.
#   tests/small_drive.sh COMMAND [ARGUMENT...]
set -eu
folder=$(mktemp -d)
trap 'rmdir "$folder"' EXIT
export COFFER_SMALL_DRIVE="$folder"
unshare --user --map-root-user --mount sh -euc \
    'mount -t tmpfs -o size=2g,mode=700 small "$COFFER_SMALL_DRIVE"; "$@"' sh "$@"
