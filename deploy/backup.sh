#!/bin/sh
# Copies a node while it runs, as the node's own user; started by yilian-ROLE-backup.timer.
#   backup.sh --home /srv/yilian --to /var/backups/yilian/county --keep 14
# TO/node holds all of it (only what is new is copied), TO/databases one copy of the rows a night,
# for what somebody notices days later. TO is best another disk, mounted there.
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

yilian=$(dirname "$(readlink -f "$0")")/../.venv/bin/yilian
mkdir -p "$to/databases"
# Rows on PostgreSQL come as pg_dump's.
kind=dump
[ ! -f "$home/db/yilian.sqlite" ] || kind=sqlite
"$yilian" db backup --home "$home" --to "$to/databases/$(date -u +%Y%m%dT%H%M%S%3NZ).$kind"
# Names sort by their time; the newest stay.
find "$to/databases" -name "2*Z.$kind" | sort -r | tail -n "+$((keep + 1))" |
    while IFS= read -r old; do
        rm "$old"
    done
"$yilian" db backup --home "$home" --to "$to/node"
sync -f "$to"
