#!/bin/sh
# Copies what a node cannot do without: its database, keys, settings and signed heads of the trail.
#   backup.sh --home /srv/yilian --to /var/backups/yilian/county --keep 14
# While the node runs, as the node's own user. Objects are not copied here: they are many, written
# once and never changed, so `rsync -a --ignore-existing` of HOME/objects to another disk is enough.
set -eu
umask 077

fail() {
    echo "backup: $*" >&2
    exit 1
}

home='' to='' keep=14
while [ $# -gt 0 ]; do
    case $1 in
    --home) home=${2:?} ;;
    --to) to=${2:?} ;;
    --keep) keep=${2:?} ;;
    *) fail "unknown $1 (--home DIR --to DIR [--keep N])" ;;
    esac
    shift 2
done
[ -f "$home/node.kind" ] || fail "$home is no node's home"
[ -n "$to" ] || fail "--to DIR is missing"
case $keep in '' | *[!0-9]* | 0) fail "--keep is a number of copies, 1 at least" ;; esac

here=$(dirname "$(readlink -f "$0")")
yilian=$here/../.venv/bin/yilian
stamp=$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$to"
making=$to/.making
rm -rf "$making"
mkdir "$making"

if grep -Eqs '^[[:space:]]*url[[:space:]]*=[[:space:]]*"postgres' "$home/yilian.toml"; then
    echo "backup: the rows are PostgreSQL's, whose own tools copy them" >&2
else
    "$yilian" db backup --home "$home" --to "$making/yilian.sqlite"
fi
for name in node.kind yilian.toml secrets audit; do
    [ ! -e "$home/$name" ] || cp -a "$home/$name" "$making/"
done
sync
mv "$making" "$to/$stamp"
echo "backup: $to/$stamp"

# Names sort by their time; the newest stay.
find "$to" -mindepth 1 -maxdepth 1 -type d -name '2*Z' | sort -r | tail -n "+$((keep + 1))" |
    while IFS= read -r old; do
        rm -rf "$old"
    done
