# What install.sh and upgrade.sh share: options, release folders, rendered units. Sourced, never run.
# shellcheck shell=sh disable=SC2034  # what is set here is used by those who source it
#
#   PREFIX/releases/VERSION   one release: sources, .venv, the built workstation; root's, read-only
#   PREFIX/current            link to the one that runs
#   /etc/yilian/ROLE.install  what install.sh was told, for the next upgrade
#
# TRIAL (--root DIR) stands before every path, so that all of it can be tried without being root.

trial='' prefix=/opt/yilian config=/etc/yilian backups=/var/backups/yilian
dry_run='' version='' packages='' ui=auto service=systemctl
tree=$(dirname "$(dirname "$(readlink -f "$0")")")

say() { echo "$(basename "$0" .sh): $*"; }

fail() {
    echo "$(basename "$0" .sh): $*" >&2
    exit 1
}

# Read the command line. What both know is read here; the rest by own_switch NAME and own_option NAME
# VALUE of the one that sources this, which return 1 for what they do not know.
read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --dry-run)
            dry_run=yes
            shift
            continue
            ;;
        esac
        if own_switch "$1"; then
            shift
            continue
        fi
        [ $# -gt 1 ] || fail "$1 wants a value, or is unknown (--help)"
        case $1 in
        --prefix) prefix=$2 ;;
        --version) version=$2 ;;
        --packages) packages=$2 ;;
        --ui) ui=$2 ;;
        --root) trial=${2%/} ;;
        *) own_option "$1" "$2" || fail "unknown option $1 (--help)" ;;
        esac
        shift 2
    done
    check_path --prefix "$prefix"
    case $ui in auto | take | build | none) ;; *) fail "--ui auto, take, build or none" ;; esac
}

# Do it, or in a dry run say it.
act() {
    if [ -n "$dry_run" ]; then
        say "would: $*"
    else
        "$@"
    fi
}

check_word() { # NAME VALUE: a path or a name that needs no quoting anywhere
    case $2 in
    '' | *[!A-Za-z0-9/._+-]*) fail "$1: only letters, digits and / . _ + - ($2)" ;;
    esac
}

check_path() {
    check_word "$1" "$2"
    case $2 in
    /*) ;;
    *) fail "$1 is a whole path, from / on" ;;
    esac
}

check_version() {
    check_word --version "$version"
    case $version in */* | .*) fail "--version names a folder: no / and no . in front ($version)" ;; esac
}

# One at a time on this machine; whoever comes second is told.
only_one() {
    command -v flock >/dev/null || return 0
    exec 9>"$trial$prefix/.lock"
    flock -n 9 || fail "another installation or upgrade is at work in $trial$prefix"
}

# The tree may be somebody else's than root's.
git_in_tree() { git -c safe.directory="$tree" -C "$tree" "$@" 2>/dev/null; }

# The version in the tree; beside a tag also which commit, and whether it was changed since.
tree_version() {
    if [ -f "$tree/VERSION" ]; then
        cat "$tree/VERSION"
        return
    fi
    number=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$tree/pyproject.toml")
    [ -n "$number" ] || fail "$tree/pyproject.toml names no version"
    if [ -e "$tree/.git" ] && command -v git >/dev/null; then
        mark=$(git_in_tree describe --tags --exact-match) || mark=''
        commit=$(git_in_tree rev-parse --short=8 HEAD) || commit=unknown
        [ "$mark" = "v$number" ] || number=$number+g$commit
        if [ -n "$(git_in_tree diff HEAD | head -c 1)" ]; then
            number=$number.$(git_in_tree diff HEAD | sha256sum | cut -c1-8)
        fi
    fi
    echo "$number"
}

# Make PREFIX/releases/$version; nothing to do where it is whole. One that broke is made anew.
make_release() {
    release=$trial$prefix/releases/$version
    if [ -f "$release/.complete" ]; then
        say "release $version is there"
        return
    fi
    if [ -n "$dry_run" ]; then
        say "would: make release $version from $tree in $release"
        return
    fi
    say "making release $version"
    rm -rf "$release"
    mkdir -p "$release"
    (
        cd "$tree" || exit
        tar -cf - --exclude=__pycache__ --exclude='*.pyc' --exclude=gateway/ui \
            yilian kernel gateway imaging referrals realtime docs deploy tools \
            pyproject.toml requirements.lock requirements-test.lock LICENSE README.md CHANGELOG.md
    ) | tar -C "$release" --no-same-owner -xf -
    echo "$version" >"$release/VERSION"
    make_packages "$release"
    make_workstation "$release"
    # The program's user cannot write here, so nothing would ever be compiled later.
    (
        cd "$release" || exit
        .venv/bin/python -m compileall -q yilian kernel gateway imaging referrals realtime
    ) || fail "the sources of $version are broken"
    rm -rf "$release/.setup"
    chmod -R go-w,a+rX "$release"
    # On disk before anything points at it.
    sync -f "$release"
    : >"$release/.complete"
}

make_packages() { # RELEASE
    python=${PYTHON:-python3}
    for from in "$packages" "$trial$prefix/current/.venv"; do
        if [ -n "$from" ] && [ -x "$from/bin/python" ]; then
            # From the same lock: there is nothing to fetch over a thin line.
            "$python" -S -I "$1/tools/bootstrap.py" --adopt "$from" && return
        fi
    done
    "$python" -S -I "$1/tools/bootstrap.py" || fail "the packages of $version cannot be had"
}

make_workstation() { # RELEASE
    built=$tree/gateway/ui/dist
    case $ui in
    none) return ;;
    auto)
        ui=build
        if [ -f "$built/index.html" ] && [ -z "$(find "$tree/gateway/ui" \
            \( -name node_modules -o -name dist \) -prune -o \
            -type f -newer "$built/index.html" -print | head -n 1)" ]; then
            ui=take
        fi
        ;;
    esac
    if [ "$ui" = take ]; then
        [ -f "$built/index.html" ] || fail "no built workstation in $built"
        mkdir -p "$1/gateway/ui"
        cp -R "$built" "$1/gateway/ui/dist"
        return
    fi
    say "building the workstation"
    (cd "$tree" && tar -cf - --exclude=node_modules --exclude=gateway/ui/dist gateway/ui) |
        tar -C "$1" --no-same-owner -xf -
    "$1/.venv/bin/python" "$1/tools/build_ui.py" || fail "the workstation cannot be built"
    find "$1/gateway/ui" -mindepth 1 -maxdepth 1 ! -name dist -exec rm -rf {} +
}

# Point PREFIX/current at releases/$1 in one step: there is never a moment without it.
switch_to() {
    ln -s "releases/$1" "$trial$prefix/.current.$$"
    mv -T "$trial$prefix/.current.$$" "$trial$prefix/current"
    sync -f "$trial$prefix"
}

# Read what install.sh was told about a role: role, home, user, port_offset, institution, …
read_installed() { # FILE
    role='' home='' user='' port_offset=0 server_name=''
    while IFS='=' read -r key value; do
        case $key in
        role) role=$value ;;
        home) home=$value ;;
        user) user=$value ;;
        port_offset) port_offset=$value ;;
        server_name) server_name=$value ;;
        esac
    done <"$1"
}

# Fill a template of the release in; $1 is read, $2 written in one step.
render() {
    http=8080
    [ "$role" = county ] || http=8090
    sed -e "s|@PREFIX@|$prefix|g" -e "s|@HOME@|$home|g" -e "s|@USER@|$user|g" -e "s|@ROLE@|$role|g" \
        -e "s|@PORT_OFFSET@|$port_offset|g" -e "s|@BACKUPS@|$backups|g" -e "s|@CONFIG@|$config|g" \
        -e "s|@HTTP_PORT@|$((http + port_offset))|g" -e "s|@WS_PORT@|$((8081 + port_offset))|g" \
        -e "s|@SERVER_NAME@|$server_name|g" -e "s|@LOGS@|/var/log/nginx|g" \
        -e "s|@CERTIFICATE@|$config/cert.pem|g" -e "s|@KEY@|$config/key.pem|g" \
        -e 's|@PORT_80@|80|g' -e 's|@PORT_443@|443|g' \
        -e "s|@INSTITUTION@|${institution:-}|g" -e "s|@NAME@|${name:-}|g" "$1" >"$2.new"
    if cmp -s "$2.new" "$2"; then
        rm "$2.new"
        return
    fi
    mv "$2.new" "$2"
    say "wrote $2"
}

# The units of the role just read, from the templates of the release in $1.
render_units() {
    for unit in "$1"/deploy/systemd/yilian-"$role"*; do
        if [ -n "$dry_run" ]; then
            say "would: write $trial/etc/systemd/system/$(basename "$unit")"
        else
            render "$unit" "$trial/etc/systemd/system/$(basename "$unit")"
        fi
    done
}

# Whether there is a service manager to speak to.
has_service_manager() {
    [ "$service" != systemctl ] || { [ -z "$trial" ] && [ -d /run/systemd/system ]; }
}

# As the node's own user: what root writes into its home the node could not read.
as_user() {
    if [ -z "$trial" ] && [ "$(id -u)" = 0 ]; then
        runuser -u "$user" -- "$@"
    else
        "$@"
    fi
}
