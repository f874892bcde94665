#!/bin/sh
# A worker made of curl: it claims a block, does its items, and says so, until the list is finished.
#     TEAMTASK_URL=http://host:8080 TEAMTASK_TOKEN=... ./curl-worker.sh LIST
blocks="$TEAMTASK_URL/v1/lists/$1/blocks"
block=$(mktemp)
trap 'rm -f "$block"' EXIT

api() {
    curl -s -H "Authorization: Bearer $TEAMTASK_TOKEN" -H 'Content-Type: application/json' "$@"
}

while :; do
    status=$(api -o "$block" -w '%{http_code}' -d '{"worker": "curl"}' "$blocks")
    case $status in
        201) # one block, with its items
            lease=$(sed 's/.*"lease":"\([^"]*\)".*/\1/' "$block")
            sleep 0.3 # here its items would be worked
            api -o /dev/null -d '{"done": true}' "$blocks/$lease" ;;
        204) sleep 0.5 ;; # nothing now
        410) exit 0 ;; # the list is finished
        000 | 429 | 5*) sleep 0.5 ;; # the server is away, or too busy
        *) cat "$block" >&2; exit 1 ;;
    esac
done
