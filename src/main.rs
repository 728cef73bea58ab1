//! The `kestra-iam-operator` binary.

fn main() {}
