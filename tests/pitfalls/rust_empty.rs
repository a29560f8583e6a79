// Shows what Rust's start-up code brings when the program does nothing.
//# build rust_empty: $RUSTC --edition 2021 -C opt-level=2 -o $OUT $SRC
//# build rust_empty_static: $RUSTC --edition 2021 -C opt-level=2 -C target-feature=+crt-static -o $OUT $SRC
//# must: exit_group poll rt_sigaction sigaltstack mmap munmap
//# not: reboot sethostname mount setuid chroot ptrace
fn main() {}
