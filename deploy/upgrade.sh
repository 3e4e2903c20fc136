#!/bin/sh
# Put a new image behind the balancer of the profile `scale`, without losing a request:
#
#   docker compose --profile scale build api && deploy/upgrade.sh
#
# As many replicas of the new image as there are of the old one start beside them. Only when all are
# healthy does nginx learn of them, and the old ones drain and go. Where one does not become
# healthy, the new ones are removed again and nothing has changed. COMPOSE and ENGINE may name
# others than Docker's.
set -eu
cd "$(dirname "$0")/.."
compose="${COMPOSE:-docker compose} --profile scale"
engine=${ENGINE:-docker}

replicas() { $compose ps --quiet api | sort; }

old=$(replicas)
[ -n "$old" ] || { echo "no replica runs; docs/deploy.md says how to start some" >&2; exit 1; }
# shellcheck disable=SC2086  # one word each
set -- $old
count=$#

if ! $compose up --detach --wait --no-deps --no-build --no-recreate --scale api=$((2 * count)) api; then
    for replica in $(replicas); do
        case $old in *"$replica"*) ;; *) $engine rm --force "$replica" ;; esac
    done
    echo "the new image did not become healthy; the old replicas serve on" >&2
    exit 1
fi
$compose kill --signal HUP balancer
# More than nginx needs to begin with its new workers.
sleep 2
$engine stop -t 65 "$@"
$engine rm "$@"
$compose kill --signal HUP balancer
