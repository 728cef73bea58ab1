#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kestra_iam_fuzz::names(data));
