//! The code of a stub: what a site's calls do instead of stopping.
//!
//! ```text
//!         the instructions of the site from the replaced one to the call
//! test:   cmp  $NUMBER,%eax           another call?
//!         jne  miss
//!         cmp  $VALUE,%esi            a value that was not seen here yet?
//!         jne  miss
//!         cmpb $0,CLOSED              does everything stop?
//!         jne  original
//!         lock incq COUNTER
//!         syscall                     the filter lets it pass
//!         jmp  *return                after the site's own call
//! miss:   jmp  test of the stub before it, or original
//! original:
//!         jmp  *call                  to the site's own syscall instruction, which stops
//! ```
//!
//! It uses no stack and no register but the flags, which are dead there (`site.rs` proves it).

use super::area;
use std::ops::Range;

/// A value that an argument must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Which argument of the call.
    pub argument: usize,
    /// Whether all 64 bits count, or the lower half.
    pub wide: bool,
    /// What it must be.
    pub value: u64,
}

/// A sort of call that passes: all that is known of it is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The number of the call.
    pub number: u32,
    /// The arguments that are evidence.
    pub values: Vec<Value>,
}

/// One instruction that moved into the stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where it was.
    pub address: u64,
    /// Its bytes, the same everywhere.
    pub bytes: Vec<u8>,
}

/// Where a thread that stands in a stub would stand without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The address in the program's own code.
    pub address: u64,
    /// A call was counted that has not been made.
    pub counted: bool,
}

/// A stub that is ready to be written.
#[derive(Debug, Clone)]
pub struct Stub {
    /// Its bytes.
    pub code: Vec<u8>,
    /// Where each of the moved instructions begins in it, and where it was.
    moved: Vec<(u64, u64)>,
    /// Where the tests begin.
    test: u64,
    /// The system-call instruction.
    syscall: u64,
    /// The jump back.
    back: Range<u64>,
    /// The site's own call.
    call: u64,
}

impl Stub {
    /// The stub of a site for its `variant`th sort of call. `call`: where the site's own call is.
    /// `None` when it does not fit, or tests what a comparison cannot.
    pub fn new(
        block: usize,
        variant: usize,
        moved: &[Moved],
        call: u64,
        sort: &Sort,
    ) -> Option<Stub> {
        let address = area::stub(block, variant);
        let mut code = Code { address, bytes: Vec::new() };
        let mut places = Vec::new();
        for instruction in moved {
            places.push((code.here(), instruction.address));
            code.put(&instruction.bytes);
        }
        let test = code.here();
        let mut misses = Vec::new();
        code.put(&[0x3d]);
        code.put(&sort.number.to_le_bytes());
        misses.push(code.jump_if_not_equal());
        for value in &sort.values {
            code.compare(value)?;
            misses.push(code.jump_if_not_equal());
        }
        code.put(&[0x80, 0x3c, 0x25]);
        code.put(&(area::CLOSED as u32).to_le_bytes());
        code.put(&[0]);
        let closed = code.jump_if_not_equal();
        code.put(&[0xf0, 0x48, 0xff, 0x04, 0x25]);
        code.put(&(area::counter(block, variant) as u32).to_le_bytes());
        let syscall = code.here();
        code.put(&[0x0f, 0x05]);
        let back = code.here();
        code.jump_far(call + 2);
        let back = back..code.here();
        for miss in misses {
            code.land(miss);
        }
        if variant > 0 {
            // The moved instructions are the same, and so the tests begin at the same place.
            let before = area::stub(block, variant - 1) + (test - address);
            code.put(&[0xe9]);
            let relative = before.wrapping_sub(code.here() + 4) as u32;
            code.put(&relative.to_le_bytes());
        }
        code.land(closed);
        code.jump_far(call);
        let code = code.bytes;
        (code.len() as u64 <= area::VARIANT_SIZE).then_some(Stub {
            code,
            moved: places,
            test,
            syscall,
            back,
            call,
        })
    }

    /// Where a thread at `address` in this stub would stand without it.
    pub fn place(&self, address: u64) -> Place {
        if address < self.test {
            let at = self.moved.iter().rev().find(|(stub, _)| *stub <= address);
            let address = at.map_or(self.call, |(_, original)| *original);
            return Place { address, counted: false };
        }
        if address == self.syscall {
            return Place { address: self.call, counted: true };
        }
        let after = self.back.contains(&address);
        Place { address: if after { self.call + 2 } else { self.call }, counted: false }
    }

    /// Whether a call whose next instruction is at `address` was made by this stub.
    #[cfg(test)]
    pub fn calls_before(&self, address: u64) -> bool {
        address == self.back.start
    }
}

struct Code {
    address: u64,
    bytes: Vec<u8>,
}

/// A jump whose end is not known yet: where its displacement lies.
struct Jump(usize);

impl Code {
    fn here(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn jump_if_not_equal(&mut self) -> Jump {
        self.put(&[0x0f, 0x85, 0, 0, 0, 0]);
        Jump(self.bytes.len() - 4)
    }

    fn land(&mut self, jump: Jump) {
        let distance = (self.bytes.len() - jump.0 - 4) as u32;
        self.bytes[jump.0..jump.0 + 4].copy_from_slice(&distance.to_le_bytes());
    }

    /// `jmp *0(%rip)` with the address behind it.
    fn jump_far(&mut self, to: u64) {
        self.put(&[0xff, 0x25, 0, 0, 0, 0]);
        self.put(&to.to_le_bytes());
    }

    /// `cmp $VALUE,REGISTER`; the arguments of a call are in rdi, rsi, rdx, r10, r8, r9.
    fn compare(&mut self, value: &Value) -> Option<()> {
        let (high, register) =
            *[(0, 7), (0, 6), (0, 2), (1, 2), (1, 0), (1, 1)].get(value.argument)?;
        let immediate = value.value as u32;
        if value.wide && i64::from(immediate as i32) as u64 != value.value {
            return None;
        }
        let rex = 0x40 | u8::from(value.wide) << 3 | high;
        self.put(&[rex, 0x81, 0xf8 | register]);
        self.put(&immediate.to_le_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    const CALL: u64 = 0x7fff_1234_5678;

    fn read() -> Stub {
        let moved = [Moved { address: CALL - 2, bytes: vec![0x31, 0xc0] }];
        Stub::new(3, 1, &moved, CALL, &Sort { number: 0, values: Vec::new() }).unwrap()
    }

    #[test]
    fn a_stub_is_what_its_picture_says() {
        let stub = read();
        let decoder =
            Decoder::with_ip(64, &stub.code, area::stub(3, 1), DecoderOptions::NONE).into_iter();
        let mnemonics: Vec<Mnemonic> = decoder.take(8).map(|i| i.mnemonic()).collect();
        use Mnemonic::{Cmp, Inc, Jmp, Jne, Syscall, Xor};
        assert_eq!(mnemonics, [Xor, Cmp, Jne, Cmp, Jne, Inc, Syscall, Jmp]);
        assert!(stub.calls_before(stub.syscall + 2));
    }

    #[test]
    fn a_thread_in_a_stub_is_put_where_it_would_be() {
        let (stub, start) = (read(), area::stub(3, 1));
        let place = |address| stub.place(address);
        assert_eq!(place(start), Place { address: CALL - 2, counted: false });
        assert_eq!(place(start + 2), Place { address: CALL, counted: false });
        assert_eq!(place(stub.syscall), Place { address: CALL, counted: true });
        assert_eq!(place(stub.syscall + 2), Place { address: CALL + 2, counted: false });
        assert_eq!(place(stub.back.end), Place { address: CALL, counted: false });
    }

    #[test]
    fn what_no_comparison_can_test_has_no_stub() {
        let value = |wide, value| Value { argument: 1, wide, value };
        let sort = |value| Sort { number: 1, values: vec![value] };
        let made = |value| Stub::new(0, 0, &[], CALL, &sort(value)).is_some();
        assert!(made(value(false, 0xffff_ffff)) && made(value(true, u64::MAX)));
        assert!(!made(value(true, 0xffff_ffff)));
    }
}
