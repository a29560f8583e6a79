//! What a stub that records a path does after its call. All of them share it: once for each register
//! that the path can be in.
//!
//! ```text
//! tail:   mov  %rax,RESULT(%rbx)      rbx: where the record lies in the ring
//!         mov  %rcx,RETURN(%rbx)      rcx: where to go on
//!         mov  %rdi,ARGUMENTS(%rbx)   and the others
//!         the path, byte by byte
//!         mov  24(%rdx),%ecx          of a call that says what a file is: its mode,
//!         mov  %ecx,LOOKED(%rbx)
//!         mov  28(%rdx),%rcx          its user and its group
//!         mov  %rcx,OWNERS(%rbx)
//!         andl $~UNFINISHED,ID(%rbx)
//!         bts  %eax,OPENED            where it opened a file
//!         mov  RETURN(%rbx),%rcx
//!         mov  OLD_RBX(%rbx),%rbx
//!         jmp  *%rcx
//! stop:   mov  $GETPID,%eax           when the call failed with EFAULT or EBADF, the path is too long
//!         syscall                     for a record, or it leads elsewhere afterwards
//! over:   mov  RESULT(%rbx),%rax
//!         and on as above
//! ```
//!
//! The path is read when the kernel has just read it: a pointer that leads nowhere failed with EFAULT,
//! so that nothing here faults. The call at `stop` lies outside of what the filter lets pass: there the
//! tracer reads the registers. What it records so is had with one stop, not two.

use super::{
    area::{self, RING, TAIL_SIZE, TAILS},
    code::{Code, If, Jump},
    ring,
};
use std::ops::Range;

/// The registers in which a path can be: which arguments. A call may also have none.
pub const PATHS: [Option<usize>; 3] = [Some(0), Some(1), None];
/// Paths below `/proc` and `/dev` may mean another file, or none, when the ring is read.
const ELSEWHERE: [&[u8; 4]; 2] = [b"/pro", b"/dev"];

/// A tail, and what stands where in it.
#[derive(Debug, Clone)]
pub struct Tail {
    /// Its code.
    pub code: Vec<u8>,
    /// The last instruction before which the result is not in the record.
    start: u64,
    /// The jump back, before which nothing is left to be done.
    last: u64,
    /// The call that stops: where it ends.
    over: u64,
    end: u64,
}

/// How far a thread has come that stands in a tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The result is in rax.
    Returned,
    /// The result is in the record, which is not complete.
    Storing,
    /// The record is complete or was taken; rbx is to be restored, and the result is in the record.
    Stopped,
    /// All is done; rcx has the address to go on at.
    Done,
}

impl Tail {
    /// The tail for paths in this argument's register.
    pub fn new(path: Option<usize>) -> Option<Tail> {
        let start = address(path)?;
        let mut code = Code::at(start);
        // mov %rax,RESULT(%rbx); mov %rcx,RETURN(%rbx)
        code.put_with(&[0x48, 0x89, 0x83], RING + ring::RESULT);
        code.put_with(&[0x48, 0x89, 0x8b], RING + ring::RETURN);
        for argument in 0..6 {
            code.store_argument(argument, RING + ring::ARGUMENTS + 8 * argument as u64)?;
        }
        let stops = match path {
            Some(argument) => copy_path(&mut code, argument),
            None => {
                // movb $0,PATH(%rbx)
                code.put_with(&[0xc6, 0x83], RING + ring::PATH);
                code.put(&[0]);
                Vec::new()
            }
        };
        if let Some(argument) = path {
            keep_stat(&mut code, argument);
        }
        // andl $~UNFINISHED,ID(%rbx)
        code.put_with(&[0x81, 0xa3], RING + ring::ID);
        code.put(&(!ring::UNFINISHED).to_le_bytes());
        // testl $OPENS,ID(%rbx)
        code.put_with(&[0xf7, 0x83], RING + ring::ID);
        code.put(&ring::OPENS.to_le_bytes());
        let opens_nothing = code.jump_if(If::Equal);
        // cmp $LAST,%eax: a descriptor without a bit, or an error
        code.put_with(&[0x3d], u64::from(area::DESCRIPTORS) - 1);
        let has_no_bit = code.jump_if(If::Above);
        // bts %eax,OPENED
        code.put_with(&[0x0f, 0xab, 0x04, 0x25], area::OPENED);
        code.land(opens_nothing);
        code.land(has_no_bit);
        let last = Tail::go_on(&mut code);
        for stop in stops {
            code.land(stop);
        }
        // mov $GETPID,%eax; syscall
        code.put_with(&[0xb8], libc::SYS_getpid as u64);
        code.put(&[0x0f, 0x05]);
        let over = code.here();
        // mov RESULT(%rbx),%rax
        code.put_with(&[0x48, 0x8b, 0x83], RING + ring::RESULT);
        Tail::go_on(&mut code);
        let end = code.here();
        Some(Tail { code: code.bytes, start, last, over, end })
    }

    /// `mov RETURN(%rbx),%rcx; mov OLD_RBX(%rbx),%rbx; jmp *%rcx`. Where the jump lies.
    fn go_on(code: &mut Code) -> u64 {
        code.put_with(&[0x48, 0x8b, 0x8b], RING + ring::RETURN);
        code.put_with(&[0x48, 0x8b, 0x9b], RING + ring::OLD_RBX);
        let last = code.here();
        code.put(&[0xff, 0xe1]);
        last
    }

    /// Whether a call whose next instruction is at `address` is the one that stops.
    pub fn stops_before(&self, address: u64) -> bool {
        address == self.over
    }

    /// How far a thread at `address` has come.
    pub fn stage(&self, address: u64) -> Option<Stage> {
        if !self.range().contains(&address) {
            return None;
        }
        Some(match address {
            at if at == self.start => Stage::Returned,
            at if at == self.last || at + 2 == self.end => Stage::Done,
            at if at >= self.over => Stage::Stopped,
            _ => Stage::Storing,
        })
    }

    fn range(&self) -> Range<u64> {
        self.start..self.end
    }
}

/// Copies the path into the record. The jumps that are taken when that cannot be, or is not enough.
fn copy_path(code: &mut Code, argument: usize) -> Vec<Jump> {
    let mut stops = Vec::new();
    // A path that cannot be read; and a descriptor that is not open, but may be later.
    for errno in [libc::EFAULT, libc::EBADF] {
        // cmp $-ERRNO,%rax
        code.put(&[0x48, 0x83, 0xf8, (-errno) as i8 as u8]);
        stops.push(code.jump_if(If::Equal));
    }
    // xor %ecx,%ecx
    code.put(&[0x31, 0xc9]);
    let again = code.here();
    // movzbl (REGISTER,%rcx),%r11d; mov %r11b,PATH(%rbx,%rcx); inc %ecx; test %r11b,%r11b
    code.put(&[0x44, 0x0f, 0xb6, 0x1c, if argument == 0 { 0x0f } else { 0x0e }]);
    code.put_with(&[0x44, 0x88, 0x9c, 0x0b], RING + ring::PATH);
    code.put(&[0xff, 0xc1, 0x45, 0x84, 0xdb]);
    let copied = code.jump_if(If::Equal);
    // cmp $PATH_SIZE,%ecx
    code.put_with(&[0x81, 0xf9], ring::PATH_SIZE);
    code.jump_near(Some(If::Carry), again);
    stops.push(code.jump());
    code.land(copied);
    for prefix in ELSEWHERE {
        // cmpl $PREFIX,PATH(%rbx)
        code.put_with(&[0x81, 0xbb], RING + ring::PATH);
        code.put(prefix);
        stops.push(code.jump_if(If::Equal));
    }
    stops
}

/// Keeps what a call has written that says what a file is: into the argument behind the path, `struct stat`
/// (asm/stat.h: st_mode at 24, st_uid and st_gid behind it). What the kernel could write can be read.
fn keep_stat(code: &mut Code, path: usize) {
    // testl $STATS,ID(%rbx)
    code.put_with(&[0xf7, 0x83], RING + ring::ID);
    code.put(&ring::STATS.to_le_bytes());
    let says_nothing = code.jump_if(If::Equal);
    // test %eax,%eax
    code.put(&[0x85, 0xc0]);
    let failed = code.jump_if(If::NotEqual);
    let output = if path == 0 { 0x4e } else { 0x4a };
    // mov 24(OUTPUT),%ecx; mov %ecx,LOOKED(%rbx)
    code.put(&[0x8b, output, 24]);
    code.put_with(&[0x89, 0x8b], RING + ring::LOOKED);
    // mov 28(OUTPUT),%rcx; mov %rcx,OWNERS(%rbx)
    code.put(&[0x48, 0x8b, output, 28]);
    code.put_with(&[0x48, 0x89, 0x8b], RING + ring::OWNERS);
    code.land(says_nothing);
    code.land(failed);
}

/// Where the tail for paths in this argument's register lies.
pub fn address(path: Option<usize>) -> Option<u64> {
    let at = PATHS.iter().position(|known| *known == path)?;
    Some(TAILS + at as u64 * TAIL_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::code::whole_instructions;

    #[test]
    fn tails_are_whole_instructions_that_stay_within() {
        for path in PATHS {
            let tail = Tail::new(path).unwrap();
            assert!(tail.code.len() as u64 <= TAIL_SIZE);
            let starts = whole_instructions(&tail.code, tail.start);
            assert!(starts.contains(&tail.last) && starts.contains(&tail.over));
            assert_eq!(tail.stage(tail.start), Some(Stage::Returned));
            assert_eq!(tail.stage(tail.over - 2), Some(Stage::Storing));
            assert_eq!(tail.stage(tail.over), Some(Stage::Stopped));
            assert_eq!(tail.stage(tail.last), Some(Stage::Done));
            assert_eq!(tail.stage(tail.end), None);
        }
        assert!(Tail::new(Some(2)).is_none());
    }
}
