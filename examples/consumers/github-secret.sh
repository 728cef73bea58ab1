#!/usr/bin/env bash
# Copies the token into a secret of GitHub Actions, for the workflow beside this file.
#
#   github-secret.sh OWNER/REPOSITORY
#
# GitHub does not see a rotation: run this every few minutes (a CronJob will do), several times within overlap.min, which
# examples/ci-namespace.yaml sets to an hour. Needs gh, logged in, and kubectl with the right to read the Secret ci-kestra.
set -euo pipefail

repository=${1:?is missing: github-secret.sh OWNER/REPOSITORY}

kubectl get secret ci-kestra --output 'go-template={{index .data "KESTRA_API_TOKEN" | base64decode}}' |
    gh secret set KESTRA_API_TOKEN --repo "$repository"
