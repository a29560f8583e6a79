// Shows Rust with its library: a trait object, a closure in a thread, a destructor during unwinding.
//# build rust_std: $RUSTC --edition 2021 -C opt-level=0 -o $OUT $SRC
//# build rust_std_O3: $RUSTC --edition 2021 -C opt-level=3 -C strip=symbols -o $OUT $SRC
//# build rust_std_static: $RUSTC --edition 2021 -C opt-level=2 -C target-feature=+crt-static -o $OUT $SRC
//# must: acct clone3 exit_group mmap swapoff swapon write
//# not: reboot sethostname setuid
use std::arch::asm;

macro_rules! mark {
    ($number:literal) => {
        // SAFETY: the call touches no memory of this program.
        unsafe { asm!("syscall", inlateout("rax") $number as usize => _, in("rdi") 0, out("rcx") _, out("r11") _) }
    };
}

trait Act {
    fn act(&self);
}
struct On(u32);
impl Act for On {
    fn act(&self) {
        mark!(167);
    }
}
struct Guard;
impl Drop for Guard {
    fn drop(&mut self) {
        mark!(168);
    }
}

fn main() {
    let boxed: Vec<Box<dyn Act>> = std::env::args().map(|_| Box::new(On(1)) as Box<dyn Act>).collect();
    for each in &boxed {
        each.act();
    }
    let thread = std::thread::spawn(|| mark!(163));
    let result = std::panic::catch_unwind(|| {
        let _guard = Guard;
        assert!(std::env::args().count() < 3, "too many");
    });
    println!("{} {:?}", thread.join().is_ok(), result.is_ok());
}
