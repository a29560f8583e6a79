#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| profgen_static_analyzer::fuzzing::scan(data));
