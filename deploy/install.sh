#!/bin/sh
# Installs a node of Yilian on this machine. Run again it changes only what differs; what you have
# changed in yilian.toml and nginx.conf it leaves alone. A newer release comes by upgrade.sh.
set -eu
umask 022
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=deploy/release.sh
. "$here/release.sh"

usage() {
    cat <<'END'
usage: install.sh --role county|township [options]
  --prefix DIR         where programs go (/opt/yilian)
  --home DIR           all state of the node (/srv/yilian); not below /home or /root
  --user NAME          who runs it (yilian), made where absent
  --institution CODE   county: letters, digits, hyphens; never changes
  --name TEXT          county: what people call it
  --server-name HOST   the name browsers use (yilian.example), for nginx and the settings
  --port-offset N      added to every port of the node (0)
  --version V          name of the release (as the tree says)
  --packages VENV      packages already fetched from the same lock, instead of fetching
  --ui auto|take|build|none   the workstation: as built in this tree when it is new, or built now
  --root DIR           try it: everything below DIR, no user, no service, no root needed
  --dry-run            only say what would be done
example: sudo deploy/install.sh --role county --institution county-hospital --name 县人民医院 \
           --server-name yilian.example
END
}

role='' home=/srv/yilian user=yilian institution='' name='' server_name=yilian.example port_offset=0
own_switch() { return 1; }
own_option() { # NAME VALUE
    case $1 in
    --role) role=$2 ;;
    --home) home=$2 ;;
    --user) user=$2 ;;
    --institution) institution=$2 ;;
    --name) name=$2 ;;
    --server-name) server_name=$2 ;;
    --port-offset) port_offset=$2 ;;
    *) return 1 ;;
    esac
}
read_options "$@"

check() {
    case $role in
    county | township) ;;
    *) fail "--role county or --role township" ;;
    esac
    check_path --home "$home"
    check_word --user "$user"
    check_word --server-name "$server_name"
    case $port_offset in '' | *[!0-9]*) fail "--port-offset is a number" ;; esac
    case $institution in *[!A-Za-z0-9-]*) fail "--institution: letters, digits, hyphens" ;; esac
    # It stands between quotes in the settings, and passes through sed.
    case $name in *[\"\\\|\&]* | *"
"*) fail '--name: no " \ | & and one line' ;; esac
    if [ "$role" = county ] && [ ! -e "$trial$home/yilian.toml" ]; then
        [ -n "$institution" ] || fail "--institution CODE: it stands in every row and never changes"
        name=${name:-$institution}
    fi
    # The unit shuts these out.
    for closed in home root tmp; do
        case $home/ in /$closed/*) fail "--home may not lie in /$closed" ;; esac
    done
    [ -n "$trial" ] || [ -n "$dry_run" ] || [ "$(id -u)" = 0 ] ||
        fail "root installs; or try it with --root DIR, or look with --dry-run"
    for program in tar sed readlink sha256sum "${PYTHON:-python3}"; do
        command -v "$program" >/dev/null || fail "$program is missing"
    done
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed; PYTHON=/usr/bin/python3.12 names another"
    version=${version:-$(tree_version)}
    check_version
}

make_user() {
    [ -z "$trial" ] || return 0
    if ! getent passwd "$user" >/dev/null; then
        act useradd --system --user-group --home-dir "$home" --no-create-home \
            --shell /usr/sbin/nologin "$user"
    fi
}

folder() { # PATH MODE OWNER
    if [ ! -d "$trial$1" ]; then
        act mkdir -p "$trial$1"
    elif [ "$(stat -c %a "$trial$1")" = "$2" ]; then
        return 0
    fi
    act chmod "$2" "$trial$1"
    [ -n "$trial" ] || act chown "$3:$3" "$1"
}

make_folders() {
    folder "$prefix" 755 root
    folder "$prefix/releases" 755 root
    folder "$prefix/bin" 755 root
    folder "$config" 755 root
    folder "$home" 700 "$user"
    folder "$backups" 711 root
    folder "$backups/$role" 700 "$user"
    for path in /etc/systemd/system /etc/systemd/journald.conf.d /etc/logrotate.d /usr/local/bin; do
        [ -d "$trial$path" ] || act mkdir -p "$trial$path"
    done
}

# Settings and nginx's are the administrator's: made once, never written over.
made_once() { # TEMPLATE TARGET MODE OWNER
    if [ -e "$trial$2" ]; then
        return 0
    elif [ -n "$dry_run" ]; then
        say "would: write $trial$2"
        return 0
    fi
    render "$1" "$trial$2"
    chmod "$3" "$trial$2"
    [ -n "$trial" ] || chown "$4:$4" "$2"
}

# `yilian` for whoever looks after the machine: always as the node's own user, whose files they are.
write_command() {
    [ -z "$dry_run" ] || return 0
    cat >"$trial$prefix/bin/yilian.new" <<END
#!/bin/sh
# Made by deploy/install.sh.
if [ "\$(id -u)" = 0 ]; then
    exec runuser -u $user -- $prefix/current/.venv/bin/yilian "\$@"
fi
exec $prefix/current/.venv/bin/yilian "\$@"
END
    chmod 755 "$trial$prefix/bin/yilian.new"
    mv "$trial$prefix/bin/yilian.new" "$trial$prefix/bin/yilian"
    [ -L "$trial/usr/local/bin/yilian" ] || ln -s "$prefix/bin/yilian" "$trial/usr/local/bin/yilian"
}

write_files() {
    templates=$tree/deploy
    made_once "$templates/settings/$role.toml" "$home/yilian.toml" 600 "$user"
    made_once "$templates/nginx/$role.conf" "$config/$role-nginx.conf" 644 root
    made_once "$templates/logs/logrotate" "/etc/logrotate.d/yilian-$role" 644 root
    made_once "$templates/logs/journald.conf" /etc/systemd/journald.conf.d/yilian.conf 644 root
    render_units "$tree"
    write_command
    if [ -z "$dry_run" ]; then
        printf '%s\n' "role=$role" "home=$home" "user=$user" "port_offset=$port_offset" \
            "server_name=$server_name" >"$trial$config/$role.install"
    fi
    if has_service_manager; then
        act "$service" daemon-reload
    fi
}

check_readable() {
    [ -n "$dry_run" ] || as_user "$trial$prefix/current/.venv/bin/python" -c '' ||
        fail "$user cannot run the Python of $prefix/current; name another: PYTHON=/usr/bin/python3"
}

what_next() {
    running=$(readlink "$trial$prefix/current" 2>/dev/null || echo "releases/$version")
    how=${dry_run:+would be }installed
    say "$how: ${running#releases/}, $role at $trial$home"
    [ -z "$trial" ] || return 0
    echo "next:"
    if [ "$role" = county ]; then
        echo "  1. look through $home/yilian.toml: institution and addresses"
        echo "  2. yilian county --home $home --prepare     prints the first administrator's password, once"
    else
        echo "  1. look through $home/yilian.toml: addresses"
        echo "  2. yilian township enrol CODE --county https://… --home $home"
        echo "     yilian township --home $home --prepare   prints the first administrator's password, once"
    fi
    echo "  3. yilian doctor --home $home"
    echo "  4. systemctl enable --now yilian-$role yilian-$role-backup.timer"
    echo "  5. a certificate in $config/cert.pem and key.pem, then as $config/$role-nginx.conf says"
}

check
make_user
make_folders
[ -n "$dry_run" ] || only_one
if [ -L "$trial$prefix/current" ]; then
    current=$(readlink "$trial$prefix/current")
    [ "$current" = "releases/$version" ] ||
        say "${current#releases/} stays; upgrade.sh brings $version"
else
    make_release
    [ -n "$dry_run" ] || switch_to "$version"
fi
check_readable
write_files
what_next
