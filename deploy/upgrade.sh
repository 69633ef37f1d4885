#!/bin/sh
# Brings every node of this machine to the release of this tree, or leaves the old one running.
# The new release is made beside the old; it looks at machine and settings and brings the database
# to its form while the old one still works (changes only add, so the old one can live with them);
# then the link is switched and the nodes are started again. A node that is not well afterwards goes
# back to the old release. What waits to be sent stays in the home throughout.
# shellcheck disable=SC2317  # each_role calls what it is told to
set -eu
umask 022
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/release.sh
. "$here/release.sh"

usage() {
    cat <<'END'
usage: upgrade.sh [options]
  --prefix DIR      where install.sh put programs (/opt/yilian)
  --version V       name of the release (as the tree says)
  --packages VENV   packages already fetched from the same lock; the old release's are tried, too
  --ui auto|take|build|none   the workstation: as built in this tree when it is new, or built now
  --within S        how long a node may take until it answers (180)
  --keep N          releases that stay for going back (3)
  --despite-doctor  also where the new release finds what the old one did not
  --root DIR        the trial that install.sh --root DIR made
  --service PROGRAM what restarts units, instead of systemctl
  --dry-run         only say what would be done
example: git pull && sudo deploy/upgrade.sh
END
}

within=180 keep=3 despite=''
own_switch() {
    [ "$1" = --despite-doctor ] || return 1
    despite=yes
}
own_option() { # NAME VALUE
    case $1 in
    --within) within=$2 ;;
    --keep) keep=$2 ;;
    --service) service=$2 ;;
    *) return 1 ;;
    esac
}
read_options "$@"

check() {
    case $within$keep in *[!0-9]*) fail "--within and --keep are numbers" ;; esac
    [ "$keep" -ge 2 ] || fail "--keep is 2 at least: the new release and the one to go back to"
    [ -n "$trial" ] || [ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || fail "root upgrades"
    old=$(readlink "$trial$prefix/current") || fail "nothing is installed in $trial$prefix"
    old=${old#releases/}
    version=${version:-$(tree_version)}
    check_version
    ls "$trial$config"/*.install >/dev/null 2>&1 || fail "install.sh has left nothing in $trial$config"
}

# For each role: read what install.sh was told, then do $1 with the rest.
each_role() {
    for told in "$trial$config"/*.install; do
        read_installed "$told"
        "$@" || return 1
    done
}

yilian_of() { # RELEASE WORDS…
    program=$trial$prefix/releases/$1/.venv/bin/yilian
    shift
    as_user "$program" "$@"
}

has_begun() { [ -f "$trial$home/node.kind" ]; }

# What the doctor of release $1 finds wrong, one name a line. A database that is behind is no fault
# here, for it is brought on next; one that cannot be is found then, and nothing has happened yet.
found_wrong() {
    yilian_of "$1" doctor --home "$trial$home" --port-offset "$port_offset" --json |
        "$trial$prefix/releases/$1/.venv/bin/python" -I -c '
import json, sys
for found in json.load(sys.stdin):
    if not found["good"] and found["what"] != "database":
        print(found["what"], found["found"], found["mend"], sep="\t")
'
}

look_first() {
    has_begun || return 0
    notes=$(mktemp -d)
    if ! found_wrong "$version" >"$notes/new"; then
        rm -rf "$notes"
        say "release $version cannot even look at $home"
        return 1
    fi
    found_wrong "$old" >"$notes/old" || : >"$notes/old"
    for side in old new; do
        cut -f1 "$notes/$side" | sort -u >"$notes/$side.names"
    done
    worse=$(comm -13 "$notes/old.names" "$notes/new.names")
    if [ -n "$worse" ]; then
        echo "$worse" | while IFS= read -r what; do
            grep "^$what	" "$notes/new" | sed 's/^/  MEND  /'
        done
    fi
    rm -rf "$notes"
    if [ -n "$worse" ]; then
        say "release $version finds at $home what $old does not"
        [ -n "$despite" ]
    fi
}

bring_database_on() {
    has_begun || return 0
    said=$(yilian_of "$version" db migrate --home "$trial$home") || return 1
    say "database of $role: $said"
}

take_units() { render_units "$trial$prefix/releases/$1"; }

is_active() { has_service_manager && "$service" is-active --quiet "yilian-$role.service"; }

# Those that ran run again, with whatever release is current.
start_again() {
    case " $were_active " in
    *" $role "*) "$service" restart --no-block "yilian-$role.service" ;;
    esac
}

is_well() { # RELEASE
    case " $were_active " in
    *" $role "*)
        yilian_of "$1" doctor --home "$trial$home" --port-offset "$port_offset" --running \
            --within "$within"
        ;;
    esac
}

note_active() {
    if is_active; then
        were_active="$were_active $role"
    fi
}

run_release() { # RELEASE
    switch_to "$1" || return 1
    each_role take_units "$1" || return 1
    if has_service_manager; then
        "$service" daemon-reload || return 1
        each_role start_again || return 1
    fi
    each_role is_well "$1"
}

forget_old_releases() {
    # The newest by when they were made; never the two that matter now.
    find "$trial$prefix/releases" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn |
        cut -d' ' -f2 | grep -vxF -e "$version" -e "$old" | tail -n "+$((keep - 1))" |
        while IFS= read -r one; do
            say "removing release $one"
            rm -rf "$trial$prefix/releases/${one:?}"
        done
}

check
if [ "$old" = "$version" ]; then
    say "$version is current already"
    exit 0
fi
[ -n "$dry_run" ] || only_one
make_release
if [ -n "$dry_run" ]; then
    say "would: look with $version, bring databases on, switch from $old, start again, look again"
    exit 0
fi
were_active=''
each_role note_active
each_role look_first || fail "nothing was changed; $old goes on (--despite-doctor if you know better)"
each_role bring_database_on || fail "the database was left as it was; $old goes on"
if run_release "$version"; then
    forget_old_releases
    say "upgraded: $old -> $version"
    exit 0
fi
say "$version is not well; going back to $old"
# However short the patience with the new one was: this one is known to come up.
[ "$within" -ge 180 ] || within=180
run_release "$old" || fail "$old is not well either: journalctl -u 'yilian-*'"
fail "$version was taken back; $old runs, nothing that waited was touched"
