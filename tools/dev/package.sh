# package.sh - part of ./dev: the Debian package, from the files of the tree.

package_packages="debhelper dpkg-dev"
package_test_packages="mmdebstrap systemd-container lintian sqlite3 curl openssl
 procps util-linux"

# package: build/package/nelm_VERSION_ARCHITECTURE.deb. debhelper works in the
# tree and writes beside it, so it gets one of its own.
package() {
    need $base_packages $package_packages
    rm -rf build/package
    mkdir -p build/package/nelm
    git ls-files -z --cached --others --exclude-standard |
        xargs -0 cp --parents -t build/package/nelm
    (cd build/package/nelm && dpkg-buildpackage --build=binary \
        --no-sign >../build.log 2>&1) || {
        cat build/package/build.log >&2
        return 1
    }
    rm -rf build/package/nelm
    ls build/package/nelm_*.deb
}

suite_package() {
    say "the Debian package"
    if ! need $package_test_packages; then
        echo "SKIP the package: no Debian mirror" >&2
        return 0
    fi
    check package package
    log=$(mktemp)
    tests/package/run.sh build/package/nelm_*.deb >"$log" 2>&1 || true
    grep '^SKIP' "$log" >&2 || true
    totals=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log")
    [ -n "$totals" ] && [ "${totals#* }" = 0 ] || cat "$log" >&2
    totals=${totals:-0 1}
    count package "${totals% *}" "${totals#* }"
    rm -f "$log"
}
