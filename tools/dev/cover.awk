# cover.awk - part of ./dev fuzz minimise: reads the control file of libFuzzer's
# -set_cover_merge and prints inputs to add to those of `tree`, the one that
# reaches most new code first, until nothing is new or the corpus is full.

NR == 1 { count = $1 }
NR > 2 && NR <= 2 + count { path[NR - 3] = $0 }
NR > 2 + count && $1 == "STARTED" { size[$2] = $3 }
NR > 2 + count && $1 == "FT" {
    reaches[$2] = $0
    sub(/^FT [0-9]+ ?/, "", reaches[$2])
    news[$2] = NF - 2
}

# Drop from reaches[i] what is reached already.
function update(i, n, j, list, left) {
    n = split(reaches[i], list, " ")
    news[i] = 0
    for (j = 1; j <= n; j++)
        if (!(list[j] in seen)) {
            left = left " " list[j]
            news[i]++
        }
    reaches[i] = left
}

function take(i, n, j, list) {
    n = split(reaches[i], list, " ")
    for (j = 1; j <= n; j++)
        seen[list[j]] = 1
    files++
    bytes += size[i]
    delete news[i]
}

END {
    for (i in news)
        if (index(path[i], tree "/") == 1)
            take(i)
    while (files < max_files) {
        best = -1
        # What a file adds only gets less: an old count is a bound.
        for (i in news) {
            if (best >= 0 && news[i] <= news[best])
                continue
            update(i)
            if (news[i] > 0 && bytes + size[i] <= max_bytes &&
                (best < 0 || news[i] > news[best]))
                best = i
        }
        if (best < 0)
            break
        print path[best]
        take(best)
    }
}
