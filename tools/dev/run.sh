# run.sh - part of ./dev: a demo that somebody can try in a minute.

# text NAME: the first member of that name in the JSON on standard input.
text() {
    tr '{},' '\n' | sed -n "s/^ *\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

# A database with an administrator, managers, one source and its people.
make_demo() {
    rm -rf "$1.new"
    mkdir -p "$1.new"
    (
        umask 077
        NELM_DATABASE=sqlite:$1.new/nelm.db
        export NELM_DATABASE
        build/nelm init >"$1.new/admin.json"
        build/nelm sample identities >/dev/null
        od -An -N8 -tx1 /dev/urandom | tr -d ' ' >"$1.new/password"
        build/nelm identity set-password admin <"$1.new/password" >/dev/null
        build/nelm source create --name Contractors \
            --description "People who work with us" \
            --owner admin >"$1.new/source.json"
        build/nelm sample --rows 1000 |
            build/nelm import --source "$(text id <"$1.new/source.json")" - \
                >/dev/null
    )
    rm -rf "$1"
    mv "$1.new" "$1"
}

run() {
    build
    demo=data/demo
    [ -f $demo/password ] || make_demo $demo
    listen=${NELM_LISTEN:-127.0.0.1:8080}
    id=$(text clientId <$demo/admin.json)
    secret=$(text clientSecret <$demo/admin.json)
    source=$(text id <$demo/source.json)
    cat >&2 <<END

Paste these two lines into another terminal:

TOKEN=\$(curl -sS -u $id:$secret -d grant_type=client_credentials http://$listen/oauth/token | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
curl -sS -D headers.txt -o people.csv -H "Authorization: Bearer \$TOKEN" http://$listen/v3/non-employee-sources/$source/non-employees/download

The console is at http://$listen/ (user admin, password $(cat $demo/password)).

people.csv is whole when its digest is the one in the answer's head:

grep -i repr-digest headers.txt; openssl dgst -sha256 -binary people.csv | base64

END
    exec build/nelm serve --database "sqlite:$demo/nelm.db" \
        --listen "$listen" "$@"
}
