#!/usr/bin/env bash
# Mutates the planner, and runs its own tests on each mutant: what no test catches is listed at the end.
# It works on a copy that holds no more than the planner needs, so that a mutant takes seconds and not minutes.
# Arguments go to cargo-mutants, such as --shard 0/2 or --list.
set -euo pipefail
cd "$(dirname "$0")/.."

copy=${CARGO_TARGET_DIR:-$PWD/target}/mutants/copy

rm -rf "$copy/src"
mkdir -p "$copy"
cp -r Cargo.toml Cargo.lock src "$copy/"
cd "$copy"
rm src/main.rs
sed -i -E '/^pub mod (cli|controller|ops|server);/d' src/lib.rs
sed -i -e 's/^members = .*/members = ["."]/' -e '/^testbed = /d' -e '/^\[\[bin\]\]/,/^$/d' Cargo.toml

unset CARGO_TARGET_DIR
# The exhaustive search is left out: it needs longer than all other tests together.
exec cargo mutants --in-place --output .. --file 'src/plan/token/**' --file src/plan/urgency.rs --baseline=skip --timeout 120 \
    --cargo-test-arg=--lib "$@" -- plan:: --skip search
