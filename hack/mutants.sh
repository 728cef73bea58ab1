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
# Nobody debugs a mutant: without debug information it is compiled in half the time.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
# What follows the second `--` is for the tests themselves: those of the planner without the exhaustive search, which needs
# longer than all others together. They run on the planner as it is first, so that no mutant counts as caught because of
# an argument that nobody understands.
exec cargo mutants --in-place --output .. --file 'src/plan/token/**' --file src/plan/urgency.rs --timeout 300 \
    --cargo-arg=--lib "$@" -- -- plan:: --skip search
