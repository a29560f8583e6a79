//! Where the stubs lie in a traced process, and the filter that lets their calls pass.
//!
//! ```text
//! 0x7f80_0000  stubs      of each site one for each sort of call, and what they do first, read and execute
//! 0x7fc0_0000  slots      of each site the address of its stub and a jump to that, for code that lies
//!                         near, read and execute
//! 0x7fc1_0000  tails      what follows a call whose path is recorded, read and execute
//! 0x7fc1_0800  number     of the address space, and how often its stubs changed
//! 0x7fd0_0000  closed     whether all calls stop, and what the ring is at, read and write
//! 0x7fd0_1000  counters   read and write
//! 0x7fd2_1000  ring       the calls with paths that passed (`ring.rs`), read and write
//! ```
//!
//! All of it lies below 2 GiB, so that an instruction can name it by a 32-bit number; above the
//! heaps of programs that are linked low; and below the shadow memory of AddressSanitizer
//! (0x7fff_8000). What is not used is not backed by memory.

use super::inject::Call;
use filter::Insn;
use model::Arch;
use std::ops::Range;

/// Where the stubs begin; aligned to their size, so that the filter needs one comparison.
const STUBS: u64 = 0x7f80_0000;
const STUBS_SIZE: u64 = 0x40_0000;
const SLOTS: u64 = STUBS + STUBS_SIZE;
/// How many bytes each site has there: an address, and a jump.
const SLOT_SIZE: u64 = 16;
/// Where the ends of stubs that record a path begin: one for each register that a path can be in,
/// and one for none.
pub const TAILS: u64 = SLOTS + 0x1_0000;
/// How far apart they lie.
pub const TAIL_SIZE: u64 = 0x200;
/// Where what the traced program writes begins.
pub const WRITABLE: u64 = 0x7fd0_0000;
/// The number of the address space, set by the tracer; in the page of the tails, as one to fill.
pub const NUMBER: u64 = TAILS + 4 * TAIL_SIZE;
/// How often something was written for its sites, written after each time.
pub const CHANGES: u64 = NUMBER + 8;
/// Not zero: every call goes to its own place and stops.
pub const CLOSED: u64 = WRITABLE;
/// The byte behind it. Not zero: every call with a path goes to its own place and stops.
pub const PATHS_CLOSED: u64 = CLOSED + 1;
/// The byte behind that. Not zero: the code of a new image is still being mapped.
pub const LOADING: u64 = CLOSED + 2;
/// How many bytes of the ring are in use.
pub const HEAD: u64 = CLOSED + 8;
/// A bit for each of the first [`DESCRIPTORS`] descriptors: whether a record in the ring means the file
/// behind it.
pub const MEANT: u64 = CLOSED + 64;
/// A bit for each of them: whether it is what the last record says which opened that number.
pub const OPENED: u64 = MEANT + DESCRIPTORS as u64 / 8;
/// Ranges in which something was rewritten: of each the first address, and the one after its last. Written
/// by the tracer.
pub const TAKEN: u64 = OPENED + DESCRIPTORS as u64 / 8;
/// How many they are: a program has sites in its loader, in its libraries and of its own, and the area.
pub const TAKEN_MAX: usize = 4;
/// What the kernel says of a file that is looked at before it is removed: `struct stat`.
pub const SCRATCH: u64 = TAKEN + 16 * TAKEN_MAX as u64;
/// Whose files the process may remove without a stop: its user in the file system.
pub const USER: u64 = SCRATCH + 144;
/// Nobody is this one.
pub const NO_USER: u32 = u32::MAX;
/// For how many descriptors there are bits.
pub const DESCRIPTORS: u32 = 1024;
const COUNTERS: u64 = WRITABLE + 0x1000;
/// Where calls with paths are recorded.
pub const RING: u64 = COUNTERS + STRIDE * VARIANTS * 8;
/// How many bytes there are for them.
pub const RING_SIZE: u64 = 0x4_0000;
const END: u64 = RING + RING_SIZE;
/// Between how many stubs of its own a site's lie those of the other sites: what is used of them is close
/// together, which costs few pages.
const STRIDE: u64 = STUBS_SIZE / (VARIANTS * VARIANT_SIZE);
/// How many sites there is room for.
pub const BLOCKS: u64 = STRIDE - LOOKS_SIZE / VARIANT_SIZE;
/// Where the room behind them is, for what stubs do before some calls (`look.rs`).
pub const LOOKS: u64 = STUBS + BLOCKS * VARIANT_SIZE;
/// How much that is.
pub const LOOKS_SIZE: u64 = 16 * VARIANT_SIZE;
/// Where a thread begins that makes the area's last part writable first (`start.rs`): behind those.
pub const BOOT: u64 = LOOKS + LOOKS_SIZE - VARIANT_SIZE;
/// And where it goes when it may not.
pub const REFUSED: u64 = TAILS + 3 * TAIL_SIZE;
/// How many sorts of calls of one site can pass.
pub const VARIANTS: u64 = 16;
/// The stub for one sort of call fits into this many bytes. Two stubs of a site differ in one byte
/// of their addresses, the third: a slot changes by the writing of one byte, which no thread sees
/// half done.
pub const VARIANT_SIZE: u64 = 0x100;
/// Which byte that is.
pub const VARIANT_BYTE: u64 = 2;

/// All of it.
pub const AREA: Range<u64> = STUBS..(END + 0xfff) & !0xfff;

/// The call that takes all of it.
pub fn mapping() -> Call {
    let protection = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let length = AREA.end - AREA.start;
    (libc::SYS_mmap, [AREA.start, length, protection, flags as u64, u64::MAX, 0])
}

/// The call by which the program may write what is its own to write.
pub fn opening() -> Call {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    (libc::SYS_mprotect, [WRITABLE, AREA.end - WRITABLE, protection, 0, 0, 0])
}

/// Where the stub of a site for its `variant`th sort of call lies.
pub fn stub(block: usize, variant: usize) -> u64 {
    STUBS + variant as u64 * STRIDE * VARIANT_SIZE + block as u64 * VARIANT_SIZE
}

/// The site and the sort of call whose stub has `address`.
pub fn owner(address: u64) -> Option<(usize, usize)> {
    let place = address.checked_sub(STUBS).filter(|&place| place < STUBS_SIZE)? / VARIANT_SIZE;
    Some(((place % STRIDE) as usize, (place / STRIDE) as usize))
}

/// Where the address of a site's current stub lies.
pub fn slot(block: usize) -> u64 {
    SLOTS + block as u64 * SLOT_SIZE
}

/// Where a jump to the site's current stub lies.
pub fn door(block: usize) -> u64 {
    slot(block) + 8
}

/// `jmp *SLOT` of a site: it fits in behind its slot.
pub fn far(block: usize) -> [u8; 7] {
    let [a, b, c, d] = (slot(block) as u32).to_le_bytes();
    [0xff, 0x24, 0x25, a, b, c, d]
}

/// Where the calls of a stub are counted.
pub fn counter(block: usize, variant: usize) -> u64 {
    COUNTERS + (block as u64 * VARIANTS + variant as u64) * 8
}

/// The beginning of a filter that lets calls of `arch` from the stubs pass.
pub fn pass_stubs(arch: Arch) -> [Insn; 8] {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let insn = |code, k, jt, jf| Insn { code, jt, jf, k };
    // struct seccomp_data: arch at 4, the instruction pointer at 8, low half first.
    [
        insn(LOAD, 4, 0, 0),
        insn(JUMP_EQUAL, arch.audit(), 0, 6),
        insn(LOAD, 12, 0, 0),
        insn(JUMP_EQUAL, 0, 0, 4),
        insn(LOAD, 8, 0, 0),
        insn(AND, !(STUBS_SIZE as u32 - 1), 0, 0),
        insn(JUMP_EQUAL, STUBS as u32, 0, 1),
        insn(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stub_knows_its_owner_and_nothing_overlaps() {
        let last = BLOCKS as usize - 1;
        for (block, variant) in [(0, 0), (0, 15), (1, 0), (last, 15)] {
            assert_eq!(owner(stub(block, variant)), Some((block, variant)));
            assert_eq!(owner(stub(block, variant) + VARIANT_SIZE - 1), Some((block, variant)));
            let differs = stub(block, 0) ^ stub(block, variant);
            assert_eq!(differs & !(0xff << (8 * VARIANT_BYTE)), 0);
        }
        assert_eq!(owner(SLOTS), None);
        assert_eq!(owner(STUBS - 1), None);
        assert!(slot(last) + SLOT_SIZE <= TAILS && door(last) + 8 == slot(last + 1));
        assert!(counter(last, 15) + 8 <= RING);
        assert_eq!(stub(last, 0) + VARIANT_SIZE, LOOKS);
        assert_eq!(owner(LOOKS + LOOKS_SIZE - 1), Some((BLOCKS as usize + 15, 0)));
        const { assert!(REFUSED + 16 <= NUMBER && CHANGES + 8 <= (TAILS | 0xfff) + 1) };
        const { assert!(AREA.end.is_multiple_of(0x1000)) };
        const { assert!(USER + 4 <= COUNTERS && SCRATCH.is_multiple_of(8)) };
        const { assert!(AREA.end <= 0x7fff_8000) };
    }

    #[test]
    fn only_calls_from_the_stubs_pass_the_filter() {
        let arch = Arch::native().unwrap();
        let mut program = pass_stubs(arch).to_vec();
        let trace = libc::SECCOMP_RET_TRACE;
        program.push(Insn { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: trace });
        let program = filter::Program::new(program).unwrap();
        let answer = |arch: Arch, instruction_pointer| {
            let arch = arch.audit();
            let data = filter::SeccompData { nr: 0, arch, instruction_pointer, args: [0; 6] };
            filter::simulate(&program, &data)
        };
        for (address, passes) in [
            (STUBS - 1, false),
            (STUBS, true),
            (STUBS + STUBS_SIZE - 1, true),
            (STUBS + STUBS_SIZE, false),
            (STUBS + (1 << 32), false),
        ] {
            let expected = if passes { libc::SECCOMP_RET_ALLOW } else { trace };
            assert_eq!(answer(arch, address), expected, "{address:#x}");
            assert_eq!(answer(Arch::I386, address), trace);
        }
    }
}
