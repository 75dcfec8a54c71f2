#!/bin/sh
# run.sh - the Debian package as its user meets it: installed, used, upgraded,
# removed and purged in a Debian 12 made for it, first without a running
# systemd, then with one.
#
#   tests/package/run.sh PACKAGE.deb      as root
#
# That Debian lies in a tmpfs in a mount and a PID namespace of this script, so
# nothing of it is left behind, however this ends. The last line says "N
# passed, M failed"; what cannot be tried here is a line that begins with SKIP.
set -eu
cd "$(dirname "$0")/../.."

passed=0
failed=0

skip() {
    printf 'SKIP %s\n' "$*"
}

finish() {
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
    exit
}

# check LABEL COMMAND...: what the command prints is shown when it fails.
check() {
    label=$1
    shift
    if "$@" >"$work/check.log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok %s\n' "$label"
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n' "$label"
        sed 's/^/    /' "$work/check.log"
    fi
}

# member NAME FILE: the first text of that name in a file of JSON.
member() {
    tr '{},' '\n' <"$2" |
        sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

# Lines of sources.list for what apt on this machine gets Debian 12 from.
sources() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' | sort -u | awk '
        $2 ~ /^bookworm(-updates|-security)?$/ && $3 == "main" {
            print "deb", $1, $2, $3
        }'
}

# The Debian: $root. mmdebstrap is debootstrap by means of apt.
make_root() {
    sources >"$work/sources.list"
    apt-config dump | grep -E '^Acquire::(https?|ftp)::' >"$work/apt.conf" ||
        true
    mmdebstrap --mode=root --variant=apt --include=systemd-sysv,dbus \
        --dpkgopt=force-unsafe-io --aptopt="$work/apt.conf" \
        --skip=cleanup/apt/lists bookworm "$root" "$work/sources.list" \
        >"$work/mmdebstrap.log" 2>&1 || return 1
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
}

# ---- inside that Debian ----------------------------------------------------

# inside COMMAND...: as root in it, booted or not.
inside() {
    if [ -n "$leader" ]; then
        nsenter -t "$leader" -m -u -i -n -p -- env -i $environment "$@"
    else
        chroot "$root" env -i $environment "$@"
    fi
}
environment="PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
 DEBIAN_FRONTEND=noninteractive"

# nelm COMMAND...: as the operator runs commands.
nelm() {
    inside runuser -u nelm -- nelm "$@" --config /etc/nelm/nelm.conf
}

# apt COMMAND...: what it said stays in $work/apt.log.
apt() {
    inside apt-get -q -y --no-install-recommends "$@" </dev/null \
        >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; return 1; }
}

digest() {
    nelm export --source "$source" | sha256sum
}

# is MODE OWNER:GROUP FILE...
is() {
    mode_owner="$1 $2"
    shift 2
    for file in "$@"; do
        [ "$(inside stat -c '%a %U:%G' "$file")" = "$mode_owner" ] ||
            { inside ls -ld "$file"; return 1; }
    done
}

# The registry of the tests: $source, and $export, the digest of its CSV.
fill() {
    nelm sample identities >"$work/identities" &&
        nelm source create --name Contractors --description "" \
            --owner admin >"$work/source.json" &&
        source=$(member id "$work/source.json") &&
        nelm sample --rows 1000 |
            nelm import --source "$source" - >"$work/import" &&
        export=$(digest)
}

# sign_in URL: with the first credentials; sets $url and $token.
sign_in() {
    url=$1
    first=$root/etc/nelm/first-administrator.json
    net curl -sS -u "$(member clientId "$first"):$(member clientSecret \
        "$first")" -d grant_type=client_credentials "$url/oauth/token" \
        >"$work/token.json" && token=$(member access_token "$work/token.json")
}

# call PATH [CURL'S ARGUMENT...]: of the test's source.
call() {
    path=$1
    shift
    net curl -sS -H "Authorization: Bearer $token" "$@" \
        "$url/v3/non-employee-sources/$source/$path"
}

# The CSV by HTTP is the one of the command, and its own head says so.
exports() {
    sign_in "$1" && call non-employees/download -D "$work/head" \
        -o "$work/people.csv" || return 1
    [ "$(sha256sum <"$work/people.csv")" = "$export" ] &&
        grep -i "^repr-digest: sha-256=:$(openssl dgst -sha256 -binary \
            "$work/people.csv" | base64):" "$work/head" ||
        { cat "$work/head"; head -c 300 "$work/people.csv"; return 1; }
}

# The same people again, by way of the spool and a job.
takes_upload() {
    call non-employee-bulk-upload -F "data=@$work/people.csv" || return 1
    for _ in $(seq 100); do
        call non-employee-bulk-upload/status >"$work/job"
        ! grep COMPLETED "$work/job" || break
        sleep 0.1
    done
    [ "$(member status "$work/job")" = COMPLETED ] &&
        [ "$(digest)" = "$export" ] || { cat "$work/job"; return 1; }
}

# In the network of that Debian, with the programs of this machine.
net() {
    if [ -n "$leader" ]; then nsenter -t "$leader" -n -- "$@"; else "$@"; fi
}

# A package that differs in its version only.
make_newer() {
    dpkg-deb -R "$package" "$work/newer" &&
        sed -i "s/^Version: .*/Version: $newer/" \
            "$work/newer/DEBIAN/control" &&
        dpkg-deb --root-owner-group -Znone -b "$work/newer" \
            "$root/root/newer.deb"
}

installed() {
    [ "$(inside dpkg-query -W -f '${Status} ${Version}' nelm 2>/dev/null)" = \
        "install ok installed $1" ]
}

# Nothing of the package, its data or its user.
nothing_left() {
    ! inside getent passwd nelm || return 1
    ! inside getent group nelm || return 1
    for file in /etc/nelm /var/lib/nelm /var/cache/nelm /usr/bin/nelm \
        /usr/share/doc/nelm /lib/systemd/system/nelm.service \
        /etc/systemd/system/multi-user.target.wants/nelm.service; do
        [ ! -e "$root$file" ] && [ ! -L "$root$file" ] ||
            { echo "$file is still there"; return 1; }
    done
}

kept() {
    is 700 nelm:nelm /var/lib/nelm && is 600 nelm:nelm /var/lib/nelm/nelm.db &&
        [ ! -e "$root/usr/bin/nelm" ] && [ -s "$root/etc/nelm/nelm.conf" ]
}

# ---- the package without running it ----------------------------------------

contents() {
    dpkg-deb -c "$package" | awk '{print $6}' >"$work/contents"
    for file in usr/bin/nelm lib/systemd/system/nelm.service \
        etc/nelm/nelm.conf usr/share/man/man1/nelm.1.gz \
        usr/share/doc/nelm/changelog.gz usr/share/doc/nelm/copyright \
        usr/share/doc/nelm/manual/settings.md; do
        grep -qx "./$file" "$work/contents" || { echo "no $file"; return 1; }
    done
    grep -q "^  version: '${version%-*}',$" meson.build ||
        { echo "debian/changelog and meson.build differ"; return 1; }
}

# What "./dev" installs for a build, dpkg-buildpackage asks for.
build_depends() {
    sed -n '/^base_packages=/,/"$/p; s/.*base_packages \(lib.*\)" ;;/\1/p' dev |
        grep -oE '[a-z0-9.+-]+-dev' | grep -v libc6 >"$work/needed"
    [ "$(wc -l <"$work/needed")" -gt 8 ] || return 1
    while read -r name; do
        grep -qE "^ $name( .*)?,$" debian/control ||
            { echo "$name is missing in debian/control"; return 1; }
    done <"$work/needed"
}

test_package() {
    check "debian/control has what the build needs" build_depends
    check "the package has program, unit, page and manual" contents
    if command -v lintian >/dev/null; then
        check "lintian finds nothing to warn of" lintian --allow-root \
            --fail-on error,warning "$package"
    else
        skip "lintian is not installed"
    fi
}

# ---- without a running systemd ---------------------------------------------

# Every setting that the file offers is one, and none is set twice but for the
# lines that say so.
settings_are_known() {
    sed -n 's/^#\([a-z-]* = .*\)/\1/p' "$root/etc/nelm/nelm.conf" |
        grep -v '^database' >"$root/root/offered.conf"
    [ "$(wc -l <"$root/root/offered.conf")" -gt 4 ] &&
        inside nelm sample --rows 1 --config /root/offered.conf
}

# The command of the unit, as its user; it takes a free port.
start_as_unit() {
    command=$(sed -n 's/^ExecStart=//p' \
        "$root/lib/systemd/system/nelm.service")
    sed -i 's/^listen = .*/listen = 127.0.0.1:0/' "$root/etc/nelm/nelm.conf"
    chroot --userspec=nelm:nelm "$root" env -i $command \
        >"$work/serve.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        url=$(sed -n 's/^listening on //p' "$work/serve.log")
        [ -z "$url" ] || return 0
        sleep 0.1
    done
    cat "$work/serve.log"
    return 1
}

stop_server() {
    kill "$server" && wait "$server"
}

# The database as schema 5 had it: its steps, and what of each table it knew.
age_database() {
    db=$root/var/lib/nelm/nelm.db
    cat sql/migrate/000[1-5]_*.sql | sqlite3 "$work/old.db" || return 1
    sqlite3 "$work/old.db" "ATTACH '$db' AS new;
        CREATE TABLE schema_migration AS SELECT * FROM new.schema_migration
            WHERE version <= 5;
        SELECT 'INSERT OR REPLACE INTO main.' || t.name || ' (' || group_concat(c.name) ||
            ') SELECT ' || group_concat(c.name) || ' FROM new.' || t.name || ';'
        FROM main.sqlite_schema t JOIN pragma_table_info(t.name, 'main') c
        JOIN pragma_table_info(t.name, 'new') n ON n.name = c.name
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'
            AND t.name <> 'schema_migration'
        GROUP BY t.name" >"$work/copy.sql" || return 1
    { echo "ATTACH '$db' AS new; BEGIN;"
      cat "$work/copy.sql"
      echo "COMMIT; DETACH new; PRAGMA journal_mode = WAL;"
    } | sqlite3 "$work/old.db" || return 1
    rm -f "$db-wal" "$db-shm"
    cat "$work/old.db" >"$db"
    nelm check 2>&1 | grep 'schema version 5 and this program needs'
}

upgraded() {
    installed "$newer" && nelm check && [ "$(digest)" = "$export" ] &&
        grep -q '^listen = 127.0.0.1:0' "$root/etc/nelm/nelm.conf" &&
        is 640 root:nelm /etc/nelm/nelm.conf
}

# A database that is newer than the program: apt fails and says why, and how to
# go on.
refused_upgrade() {
    sqlite3 "$root/var/lib/nelm/nelm.db" \
        "INSERT INTO schema_migration SELECT 1000, name, applied_ms
         FROM schema_migration LIMIT 1" || return 1
    ! apt install --reinstall /root/newer.deb >/dev/null || return 1
    grep 'has schema version 1000' "$work/apt.log" &&
        grep 'could not be upgraded' "$work/apt.log" &&
        sqlite3 "$root/var/lib/nelm/nelm.db" \
            "DELETE FROM schema_migration WHERE version = 1000" &&
        inside dpkg --configure nelm && installed "$newer"
}

reinstalled() {
    credentials=$(cat "$root/etc/nelm/first-administrator.json")
    apt install /root/newer.deb && [ "$(digest)" = "$export" ] &&
        [ "$(cat "$root/etc/nelm/first-administrator.json")" = \
            "$credentials" ]
}

# Settings that were there first name a database that cannot be made: apt fails
# and says why; when they are mended it goes on.
refused_installation() {
    mkdir "$root/etc/nelm"
    sed 's#^database = .*#database = sqlite:/nowhere/nelm.db#' debian/nelm.conf \
        >"$root/etc/nelm/nelm.conf"
    ! apt -o Dpkg::Options::=--force-confold install /root/nelm.deb \
        >/dev/null || return 1
    grep 'could not be initialised' "$work/apt.log" &&
        [ ! -e "$root/etc/nelm/first-administrator.json" ] &&
        cp debian/nelm.conf "$root/etc/nelm/nelm.conf" &&
        inside dpkg --configure nelm && installed "$version" &&
        is 600 root:root /etc/nelm/first-administrator.json &&
        is 640 root:nelm /etc/nelm/nelm.conf && nelm check
}

test_chroot() {
    check "apt installs it" apt install /root/nelm.deb
    installed "$version" || return 0
    check "data are for its user only" is 700 nelm:nelm /var/lib/nelm \
        /var/cache/nelm
    check "the database too" is 600 nelm:nelm /var/lib/nelm/nelm.db
    check "settings are root's to write and nelm's to read" \
        is 640 root:nelm /etc/nelm/nelm.conf
    check "the first credentials are for root only" \
        is 600 root:root /etc/nelm/first-administrator.json
    check "apt's user is told of them" \
        grep first-administrator.json "$work/apt.log"
    check "every setting that the file offers is one" settings_are_known
    check "a registry is made by commands as its user" fill
    check "the unit's command serves, as the unit's user" start_as_unit
    check "the CSV by HTTP" exports "$url"
    check "SIGTERM ends it well" stop_server
    check "a database of an older schema" age_database
    check "apt upgrades it" apt install /root/newer.deb
    check "schema, people and edited settings are right" upgraded
    check "a schema that cannot be upgraded stops apt, until it is mended" \
        refused_upgrade
    check "apt removes it" apt remove nelm
    check "data and settings stay" kept
    check "installed again it has them" reinstalled
    check "apt purges it" apt purge nelm
    check "nothing of it is left" nothing_left
    check "a database that cannot be made stops apt, until it is mended" \
        refused_installation
    check "apt purges that too" apt purge nelm
}

# ---- with systemd ----------------------------------------------------------

# The container of Debian 12 knows nothing of these yet.
landlock="landlock_create_ruleset landlock_add_rule landlock_restrict_self"

# Boot it, with a network of its own; $leader is its PID 1.
boot() {
    umount -R "$root/dev" "$root/proc"
    systemd-nspawn --quiet --directory="$root" --machine=nelm-package-test \
        --register=no --keep-unit --private-network --boot \
        --system-call-filter="$landlock" \
        </dev/null >"$work/boot.log" 2>&1 &
    container=$!
    for _ in $(seq 200); do
        leader=$(pgrep -P "$container" || true)
        [ -z "$leader" ] || ! inside systemctl is-system-running --wait \
            >"$work/running" 2>/dev/null || return 0
        # "degraded" is what a container may well be.
        ! grep -q degraded "$work/running" 2>/dev/null || return 0
        kill -0 "$container" 2>/dev/null || break
        sleep 0.1
    done
    leader=
    return 1
}

serves() {
    for _ in $(seq 100); do
        ! net curl -sfS http://127.0.0.1:8080/readyz >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    inside systemctl --no-pager status nelm
    return 1
}

main_pid() {
    inside systemctl show -p MainPID --value nelm
}

is_confined() {
    inside systemd-analyze --no-pager security --threshold=15 nelm \
        >"$work/security" || { cat "$work/security"; return 1; }
    inside cat "/proc/$(main_pid)/status" >"$work/status"
    for line in 'CapBnd:.0*$' 'CapEff:.0*$' 'NoNewPrivs:.1' 'Seccomp:.2'; do
        grep "^$line" "$work/status" || { cat "$work/status"; return 1; }
    done
    inside grep -E '^Max core file size +0 +0 ' "/proc/$(main_pid)/limits"
}

# The program's own sandbox is as strong in the unit as it was without.
keeps_sandbox() {
    inside journalctl -q --no-pager -b -u nelm >"$work/journal"
    sandbox=$(sed -n 's/.*\(landlock_abi=.*\)/\1/p' "$work/serve.log")
    [ -n "$sandbox" ] && grep "$sandbox" "$work/journal" ||
        { cat "$work/serve.log" "$work/journal"; return 1; }
}

quiet_log() {
    ! inside journalctl -q --no-pager -b -u nelm | grep -v event=sandbox |
        grep -iE 'unknown|ignoring|denied|not permitted|level=(warn|error)'
}

reloads() {
    before=$(main_pid)
    inside systemctl reload nelm && serves && [ "$(main_pid)" = "$before" ]
}

comes_back() {
    before=$(main_pid)
    inside systemctl kill -s KILL nelm && sleep 3.2 && serves &&
        [ "$(main_pid)" != "$before" ]
}

# A wrong setting is no reason to try again and again.
stays_down() {
    inside sh -c 'mkdir -p /run/systemd/system/nelm.service.d &&
        printf "[Service]\nEnvironment=NELM_LISTEN=here\n" \
            >/run/systemd/system/nelm.service.d/wrong.conf &&
        systemctl daemon-reload && systemctl restart nelm; sleep 1
        systemctl show -p SubState --value nelm >/run/state
        rm -r /run/systemd/system/nelm.service.d
        systemctl daemon-reload; systemctl reset-failed nelm
        grep -x failed /run/state && systemctl start nelm' && serves
}

# The issuer's name is looked up without netlink, which the unit does not have;
# nothing listens there. The second time is behind the program's own sandbox.
says_of_issuer() {
    for _ in $(seq 45); do # it is asked again after 30 seconds
        ! inside journalctl -q --no-pager -b -u nelm | grep "$1" || return 0
        sleep 1
    done
    inside journalctl -q --no-pager -b -u nelm
    return 1
}

finds_issuer() {
    inside sh -c 'mkdir -p /run/systemd/system/nelm.service.d &&
        printf "[Service]\nEnvironment=%s %s\n" \
            NELM_ISSUER=https://issuer.test:9 NELM_ISSUER_AUDIENCE=nelm \
            >/run/systemd/system/nelm.service.d/issuer.conf &&
        systemctl daemon-reload && systemctl restart nelm' && serves &&
        says_of_issuer 'resolve host: issuer.test' &&
        inside sh -c 'echo 127.0.0.1 issuer.test >>/etc/hosts' &&
        says_of_issuer 'connect to issuer.test port 9' &&
        inside sh -c 'rm -r /run/systemd/system/nelm.service.d
            systemctl daemon-reload && systemctl restart nelm' && serves
}

runs_newer() {
    installed "$newer" && serves && [ "$(main_pid)" != "$before" ] &&
        [ "$(digest)" = "$export" ]
}

stopped() {
    ! inside systemctl is-active nelm && kept
}

test_booted() {
    check "apt installs it where systemd runs" apt install /root/nelm.deb
    check "the service is there at once" serves
    check "and after the next boot" inside systemctl is-enabled nelm
    check "a registry is made by commands as its user" fill
    check "the unit takes away what it does not need" is_confined
    check "the program's own sandbox works in it" keeps_sandbox
    check "the CSV by HTTP, from inside the unit" \
        exports http://127.0.0.1:8080
    check "a bulk upload into the unit" takes_upload
    check "reload is no restart" reloads
    check "a killed server comes back" comes_back
    check "a wrong setting does not" stays_down
    before=$(main_pid)
    check "apt upgrades it while it runs" apt install /root/newer.deb
    check "the new one runs, with the same people" runs_newer
    check "nothing was refused by the unit" quiet_log
    check "an outside issuer is found by its name" finds_issuer
    check "apt removes it where systemd runs" apt remove nelm
    check "the service stops, data and settings stay" stopped
    check "apt purges it where systemd runs" apt purge nelm
    check "nothing of it is left there" nothing_left
    inside systemctl poweroff >/dev/null 2>&1 && wait "$container" || true
}

# ----------------------------------------------------------------------------

apart="unshare --mount --pid --fork --kill-child --mount-proc"
package=$(realpath "$1")
version=$(dpkg-deb -f "$package" Version)
newer=$version+newer
leader=

if [ -z "${NELM_PACKAGE_TEST:-}" ]; then
    if [ "$(id -u)" != 0 ]; then
        skip "the package: installing it needs root"
        finish
    fi
    mkdir -p build/package-test
    if ! $apart mount -t tmpfs none build/package-test 2>/dev/null; then
        skip "the package: no mounts here"
        finish
    fi
    NELM_PACKAGE_TEST=1 exec $apart "$0" "$package"
fi

work=$PWD/build/package-test
mount -t tmpfs -o mode=755,size=2G nelm "$work"
root=$work/root
if ! make_root; then
    skip "the package: no Debian 12 to be had: $(grep -m 1 '^E:' \
        "$work/mmdebstrap.log" || true)"
    finish
fi
cp "$package" "$root/root/nelm.deb"
make_newer >/dev/null
test_package
test_chroot
if boot; then
    test_booted
else
    skip "the package where systemd runs: $(tail -n 1 "$work/boot.log")"
fi
finish
