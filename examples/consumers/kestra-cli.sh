#!/usr/bin/env bash
# Uploads the folder scripts/ into the Kestra namespace company.team with Kestra's command line.
#
#   kestra-cli.sh             as the account of examples/ci-namespace.yaml, with its token
#   kestra-cli.sh --as-user   as a person: KESTRA_USER holds name:password
#
# Needs kestra, and kubectl with the right to read the Secret ci-kestra in the context's namespace.
set -euo pipefail

# secret KEY: one value of the Secret.
secret() {
    kubectl get secret ci-kestra --output "go-template={{index .data \"$1\" | base64decode}}"
}

server=$(secret KESTRA_URL)
case "${1:-}" in
    '') credential=(--api-token "$(secret KESTRA_API_TOKEN)") ;;
    --as-user) credential=(--user="${KESTRA_USER:?is name:password}") ;;
    *) echo "usage: kestra-cli.sh [--as-user]" >&2 && exit 2 ;;
esac
kestra namespace files update company.team scripts . --server="$server" "${credential[@]}"
