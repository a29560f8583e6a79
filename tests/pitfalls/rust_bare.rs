// Shows Rust without any library: instructions in asm!, a start of its own.
//# build rust_bare: $RUSTC --edition 2021 -C opt-level=0 -C panic=abort -C link-arg=-nostartfiles -C link-arg=-nostdlib -C link-arg=-static -C relocation-model=static -o $OUT $SRC
//# build rust_bare_O3: $RUSTC --edition 2021 -C opt-level=3 -C panic=abort -C link-arg=-nostartfiles -C link-arg=-nostdlib -C link-arg=-static-pie -C strip=symbols -o $OUT $SRC
//# exact: exit swapoff swapon
//# gaps: none
#![no_std]
#![no_main]

use core::arch::asm;

#[inline(never)]
fn call(number: usize) -> usize {
    let result;
    // SAFETY: the call touches no memory of this program.
    unsafe { asm!("syscall", inlateout("rax") number => result, in("rdi") 0, out("rcx") _, out("r11") _) };
    result
}

#[no_mangle]
pub extern "C" fn _start() -> ! {
    call(167);
    call(168);
    call(60);
    loop {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
