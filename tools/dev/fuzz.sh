# fuzz.sh - part of ./dev: libFuzzer over the drivers of tests/fuzz.

# build_fuzzers: with sanitizers, in build-fuzz.
build_fuzzers() {
    need $base_packages clang libclang-rt-14-dev
    CC=clang configure build-fuzz --buildtype=debugoptimized -Dfuzz=true \
        -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args=-fsanitize=fuzzer-no-link
    ninja -C build-fuzz >&2
    # Undefined behaviour ends the run, too.
    export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    mkdir -p build-fuzz/found
}

# fuzzer_names [NAME...]: those, or all there are.
fuzzer_names() {
    if [ $# -gt 0 ]; then
        printf '%s\n' "$@"
    else
        ls tests/fuzz | sed -n 's/^fuzz_\(.*\)\.c$/\1/p'
    fi
}

# statistic NAME LOG
statistic() {
    sed -n "s/^stat::$1: *//p" "$2"
}

# fuzz_one NAME SECONDS: a line for people, and the same in build-fuzz/log.
# The seconds are the process's own (tests/fuzz/cpu_limit.c), measured here
# from outside; inputs that reach something new stay in build-fuzz/corpus.
fuzz_one() {
    corpus=build-fuzz/corpus/$1 out=build-fuzz/$1.log
    tmp=$(mktemp -d)
    mkdir -p "$corpus"
    used=$(
        TMPDIR=$tmp FUZZ_CPU=$2 "build-fuzz/tests/fuzz/fuzz_$1" \
            -print_final_stats=1 -timeout=20 -rss_limit_mb=2048 \
            -artifact_prefix="build-fuzz/found/$1-" \
            "$corpus" "tests/fuzz/corpus/$1" >"$out" 2>&1 || echo failed
        times)
    rm -rf "$tmp"
    case $used in *failed*) result="FAILED, see $out" ;; *) result=ok ;; esac
    printf '%s %s %s: %s executions, %s CPU s, %s new inputs, %s\n' \
        "$(date -u +%FT%TZ)" "$(git rev-parse --short HEAD)" "$1" \
        "$(statistic number_of_executed_units "$out")" \
        "$(printf '%s\n' "$used" | tr 'ms' '  ' | # the last line: children
            awk 'END {print int(60 * $1 + $2 + 60 * $3 + $4 + 0.5)}')" \
        "$(statistic new_units_added "$out")" "$result" | tee -a build-fuzz/log
    [ "$result" = ok ]
}

# What was found and reaches more code than the corpus in the tree goes there,
# as far as there is room (tools/check_tree). How often code ran does not count.
minimise_corpora() {
    for name in $(fuzzer_names "$@"); do
        [ -d "build-fuzz/corpus/$name" ] || continue
        tree=tests/fuzz/corpus/$name tmp=$(mktemp -d)
        mkdir "$tmp/out"
        TMPDIR=$tmp "build-fuzz/tests/fuzz/fuzz_$name" -set_cover_merge=1 \
            -use_counters=0 -merge_control_file="$tmp/control" "$tmp/out" \
            "$tree" "build-fuzz/corpus/$name" >"build-fuzz/$name.log" 2>&1
        awk -v tree="$tree" -v max_files=60 -v max_bytes=100000 \
            -f tools/dev/cover.awk "$tmp/control" >"$tmp/list"
        xargs -r cp -t "$tree" <"$tmp/list"
        printf '%s: %s more inputs\n' "$name" "$(wc -l <"$tmp/list")"
        rm -rf "$tmp"
    done
    tools/check_tree
}

run_fuzzers() {
    seconds=60 failed_fuzzers= minimise=
    case ${1:-} in
    minimise)
        minimise=yes
        shift ;;
    --cpu)
        seconds=$2
        shift 2 ;;
    esac
    for name in "$@"; do
        [ -f "tests/fuzz/fuzz_$name.c" ] || {
            printf 'there is no tests/fuzz/fuzz_%s.c\n' "$name" >&2
            exit 2
        }
    done
    build_fuzzers
    if [ -n "$minimise" ]; then
        minimise_corpora "$@"
        return
    fi
    for name in $(fuzzer_names "$@"); do
        fuzz_one "$name" "$seconds" || failed_fuzzers="$failed_fuzzers $name"
    done
    [ -z "$failed_fuzzers" ]
}
