# test.sh - part of ./dev: every check, and one line of totals at the end.

passed=0
failed=0
jobs=$(($(nproc) * 2)) # test files at once: they wait for most of the time

# count LABEL PASSED FAILED
count() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    printf '   %s: %s passed, %s failed\n' "$1" "$2" "$3" >&2
}

# check LABEL COMMAND...: one test.
check() {
    label=$1
    shift
    if "$@" >&2; then count "$label" 1 0; else count "$label" 0 1; fi
}

# Sum the numbers behind PATTERN in a log.
sum() {
    sed -n "s/^$1 *\([0-9][0-9]*\).*/\1/p" "$2" | awk '{n += $1} END {print n + 0}'
}

# meson_tests LABEL DIR [ARGUMENT...]
meson_tests() {
    label=$1 dir=$2
    shift 2
    log=$(mktemp)
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@" >"$log" 2>&1 ||
        cat "$log" >&2
    good=$(sum 'Ok:' "$log")
    bad=$(($(sum 'Fail:' "$log") + $(sum 'Timeout:' "$log")))
    [ $((good + bad)) -gt 0 ] || bad=1
    count "$label" "$good" "$bad"
    rm -f "$log"
}

# node_tests LABEL BINARY JOBS FILE...: tests/run.js ends with a line of totals.
node_tests() {
    label=$1 nelm=$2 jobs=$3
    shift 3
    log=$(mktemp)
    JOBS=$jobs NELM=$PWD/$nelm node tests/run.js "$@" >"$log" 2>&1 || cat "$log" >&2
    totals=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' "$log")
    [ -n "$totals" ] || { totals="0 1"; cat "$log" >&2; }
    count "$label" ${totals% *} ${totals#* }
    grep '^. .*# SKIP' "$log" >&2 || true
    rm -f "$log"
}

# What the tests need from npm, again when the lock file is newer.
node_packages() {
    [ tests/node_modules/.package-lock.json -nt tests/package-lock.json ] ||
        (cd tests && npm ci --ignore-scripts >&2 &&
            touch node_modules/.package-lock.json)
}

format_check() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format --dry-run -Werror
}

tidy() {
    git ls-files -z 'src/*.c' | xargs -0 -P "$(nproc)" -n 4 \
        clang-tidy -p build --quiet --warnings-as-errors='*'
}

cpp_check() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I src \
        --enable=warning,portability --suppressions-list=tools/cppcheck.txt \
        -j "$(nproc)" src
}

suite_lint() {
    say "layers, banned functions, layout, cppcheck"
    check layers tools/check_tree
    check format format_check
    check cppcheck cpp_check
}

# Of `./dev lint`: it takes as long as all else that looks at the sources.
suite_tidy() {
    say "clang-tidy"
    build
    ninja -C build >&2
    check clang-tidy tidy
}

suite_unit() {
    say "unit tests, gcc"
    build
    ninja -C build >&2
    meson_tests unit build
}

suite_api() {
    say "the program from outside"
    build
    node_packages
    node_tests api build/nelm "$jobs" tests/api tests/sdk
}

suite_pgsql() {
    say "the program from outside, on PostgreSQL"
    build
    node_packages
    export NELM_TEST_DATABASE=postgresql
    node_tests pgsql build/nelm "$jobs" tests/api tests/sdk
    export NELM_TEST_DATABASE=pgbouncer
    node_tests pgbouncer build/nelm "$jobs" tests/api/records.test.js \
        tests/api/upload.test.js tests/api/export.test.js
    unset NELM_TEST_DATABASE
}

suite_browser() {
    say "the console in a browser"
    build
    node_packages
    node_tests browser build/nelm "$jobs" tests/browser
}

suite_load() {
    say "a million rows, many clients"
    build
    node_packages
    node_tests load build/nelm 2 tests/load
}

suite_nodes() {
    say "many nodes, one database"
    build
    node_packages
    node_tests nodes build/nelm 1 tests/nodes
    export NELM_TEST_DATABASE=postgresql
    node_tests nodes-pgsql build/nelm 1 tests/nodes/nodes.test.js
    unset NELM_TEST_DATABASE
}

# The program and its unit tests under sanitizers; a report is a failure. One
# of them is built by clang, so that both compilers have seen everything.
suite_asan() {
    say "clang, AddressSanitizer and UndefinedBehaviorSanitizer"
    CC=clang configure build-asan --buildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false
    ninja -C build-asan >&2
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    meson_tests asan build-asan --timeout-multiplier 4
    node_packages
    node_tests asan-api build-asan/nelm "$jobs" \
        tests/api/backup.test.js tests/api/bearer.test.js \
        tests/api/cli.test.js tests/api/credentials.test.js \
        tests/api/export.test.js tests/api/framing.test.js \
        tests/api/hostile.test.js tests/api/issuer.test.js \
        tests/api/limits.test.js tests/api/lists.test.js \
        tests/api/oauth.test.js tests/api/patch.test.js \
        tests/api/records.test.js tests/api/requests.test.js \
        tests/api/search.test.js tests/api/slow.test.js \
        tests/api/tls.test.js tests/api/upload.test.js
}

suite_tsan() {
    say "gcc, ThreadSanitizer"
    configure build-tsan --buildtype=debugoptimized -Db_sanitize=thread
    ninja -C build-tsan >&2
    export TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tools/tsan.txt"
    meson_tests tsan build-tsan --timeout-multiplier 8
    node_packages
    node_tests tsan-api build-tsan/nelm "$jobs" \
        tests/api/export.test.js \
        tests/api/upload.test.js tests/api/approvals.test.js \
        tests/api/metrics.test.js tests/api/tls.test.js \
        tests/api/issuer.test.js
}

run_tests() {
    setup test
    [ $# -gt 0 ] || set -- lint unit api pgsql browser nodes asan tsan load \
        package
    for suite in "$@"; do
        case $suite in
        lint | tidy | unit | api | pgsql | browser | nodes | asan | tsan | \
            load | package)
            began=$(date +%s)
            "suite_$suite"
            printf '   %s took %s s\n' "$suite" $(($(date +%s) - began)) >&2 ;;
        *) usage >&2; exit 2 ;;
        esac
    done
    printf '%s passed, %s failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
}
