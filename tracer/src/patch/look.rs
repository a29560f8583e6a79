//! What a stub does before a call that makes or removes a name, or gives a file away: it looks at what is
//! there, for afterwards nobody can. All stubs share it, once for each kind of change.
//!
//! ```text
//! start:  mov  %rax,RESULT(%rbx)      rbx: where the record lies in the ring
//!         mov  %rdi,ARGUMENTS(%rbx)   and the others
//! own:    mov  %rdi,%rsi              (unless the call has both of these itself)
//!         mov  $AT_FDCWD,%edi
//!         mov  $SCRATCH,%edx
//!         mov  $NOFOLLOW,%r10d
//!         mov  $NEWFSTATAT,%eax
//!         syscall
//!         cmp  $-ENOENT,%rax          nothing,
//!         je   absent
//!         test %eax,%eax
//!         jne  refuse
//!         mov  MODE,%ecx              or a file that is no directory and no link, ...
//!         mov  %ecx,LOOKED(%rbx)
//!         and  $BITS,%ecx
//!         cmp  $WANTED,%ecx
//!         jne  refuse
//!         mov  USER,%ecx              ... of which nobody else is the owner, where it is removed
//!         cmp  OWNER,%ecx
//!         jne  refuse
//! good:   its arguments again
//!         mov  RETURN(%rbx),%rcx
//!         jmp  *%rcx
//! absent: movl $0,LOOKED(%rbx)
//!         jmp  good
//! refuse: its arguments again
//!         mov  RETURN(%rbx),%rcx
//!         sub  $REFUSED,%rcx
//!         mov  %ebx,HEAD              the record is taken back
//!         mov  OLD_RBX(%rbx),%rbx
//! over:   jmp  *%rcx
//! ```
//!
//! Of a call that gives away what a descriptor is (fchown), the record only holds the registers meanwhile:
//! the call is counted, when it gives a regular file to whom it belongs already, who is who asks, for that
//! takes no capability.
//!
//! Of a call that maps a file it looks at where: nothing that was rewritten may lie there.
//!
//! What is refused stops at the site's own call, as it would without. A file is removed so only when its
//! owner is who asks, and may read and write it: then no record that named it before, and is read
//! afterwards, could have said that this took a capability.

use super::{
    area::{self, RING},
    code::{Code, If},
    ring,
    stub::clears,
};
use crate::plan::{Change, OWNERS};
use std::{ops::Range, sync::LazyLock};

/// For which changes there is one, and for which arguments: where the path is, or the descriptor.
const KINDS: [(usize, Change); 6] = [
    (0, Change::Makes),
    (0, Change::Removes),
    (1, Change::Makes),
    (1, Change::Removes),
    (0, Change::Gives),
    (0, Change::Maps),
];
/// Of `struct stat`: where st_mode, st_uid and st_gid lie (asm/stat.h).
const MODE: u64 = area::SCRATCH + 24;
const OWNER: u64 = area::SCRATCH + 28;
const GROUP: u64 = area::SCRATCH + 32;
/// The arguments of fchown with the new owner and group.
const NEW: [(u64, u64); 2] = [(OWNER, ring::ARGUMENTS + 8), (GROUP, ring::ARGUMENTS + 16)];
/// Each fits into this many bytes.
const SIZE: u64 = 2 * area::VARIANT_SIZE;
const ABSENT: u8 = -libc::ENOENT as u8;
/// How long the jump is to which the stub comes back when the call is refused: it lies before the place to
/// which it comes back else.
pub const REFUSED: u64 = 5;

/// All of them.
pub static LOOKS: LazyLock<Vec<Look>> = LazyLock::new(|| {
    KINDS.into_iter().filter_map(|(path, change)| Look::new(path, change)).collect()
});

/// One of them, and what stands where in it.
#[derive(Debug)]
pub struct Look {
    /// Its code.
    pub code: Vec<u8>,
    start: u64,
    /// From where on the call's arguments are in the record.
    own: u64,
    /// The jumps back before which all is as it was.
    overs: Vec<u64>,
    end: u64,
}

/// How far a thread has come that stands in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its registers are its own, but for rbx.
    Begins,
    /// Its arguments, and rax, are in the record.
    Looks,
    /// It has no record any more; rcx says where it goes on.
    Over,
}

/// Where the code for one kind lies: an argument, and a change.
pub fn address(kind: (usize, Change)) -> Option<u64> {
    let at = KINDS.iter().position(|known| *known == kind)?;
    Some(area::LOOKS + at as u64 * SIZE)
}

impl Look {
    fn new(path: usize, change: Change) -> Option<Look> {
        let start = address((path, change))?;
        let mut code = Code::at(start);
        if change == Change::Maps {
            return Look::of_range(code);
        }
        code.put_with(&[0x48, 0x89, 0x83], RING + ring::RESULT);
        for argument in 0..6 {
            code.store_argument(argument, RING + ring::ARGUMENTS + 8 * argument as u64)?;
        }
        let own = code.here();
        if change == Change::Gives {
            // mov $SCRATCH,%esi; mov $FSTAT,%eax
            code.put_with(&[0xbe], area::SCRATCH);
            code.put_with(&[0xb8], libc::SYS_fstat as u64);
        } else {
            if path == 0 {
                code.put(&[0x48, 0x89, 0xfe]);
                code.put_with(&[0xbf], libc::AT_FDCWD as u64);
            }
            code.put_with(&[0xba], area::SCRATCH);
            let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
            code.put_with(&[0x41, 0xba], flags as u64);
            code.put_with(&[0xb8], libc::SYS_newfstatat as u64);
        }
        code.put(&[0x0f, 0x05]);
        code.put(&[0x48, 0x83, 0xf8, ABSENT]);
        let absent = code.jump_if(If::Equal);
        code.put(&[0x85, 0xc0]);
        let mut refused = vec![code.jump_if(If::NotEqual)];
        code.put_with(&[0x8b, 0x0c, 0x25], MODE);
        code.put_with(&[0x89, 0x8b], RING + ring::LOOKED);
        let of_owner = match change {
            Change::Makes | Change::Gives | Change::Maps => 0,
            Change::Removes => OWNERS as u32,
        };
        code.put_with(&[0x81, 0xe1], u64::from(libc::S_IFMT | of_owner));
        code.put_with(&[0x81, 0xf9], u64::from(libc::S_IFREG | of_owner));
        refused.push(code.jump_if(If::NotEqual));
        if change != Change::Makes {
            code.put_with(&[0x8b, 0x0c, 0x25], area::USER);
            code.put_with(&[0x3b, 0x0c, 0x25], OWNER);
            refused.push(code.jump_if(If::NotEqual));
        }
        let mut overs = Vec::new();
        if change == Change::Gives {
            refused.push(absent);
            for (old, new) in NEW {
                // mov OLD,%ecx; cmp NEW(%rbx),%ecx
                code.put_with(&[0x8b, 0x0c, 0x25], old);
                code.put_with(&[0x3b, 0x8b], RING + new);
                refused.push(code.jump_if(If::NotEqual));
            }
            restore(&mut code)?;
            overs.push(give_back(&mut code).end);
        } else {
            let good = code.here();
            restore(&mut code)?;
            code.put(&[0xff, 0xe1]);
            code.land(absent);
            code.put_with(&[0xc7, 0x83], RING + ring::LOOKED);
            code.put(&[0; 4]);
            code.jump_near(None, good);
        }
        refused.into_iter().for_each(|jump| code.land(jump));
        restore(&mut code)?;
        overs.push(refuse(&mut code).end);
        let end = code.here();
        (end - start <= SIZE).then_some(())?;
        Some(Look { code: code.bytes, start, own, overs, end })
    }

    /// That of a call which maps what arguments 0 and 1 are. It uses rcx alone.
    fn of_range(mut code: Code) -> Option<Look> {
        let start = code.here();
        let mut refused = Vec::new();
        clears(&mut code, &mut refused);
        // mov RETURN(%rbx),%rcx; jmp *%rcx
        code.put_with(&[0x48, 0x8b, 0x8b], RING + ring::RETURN);
        code.put(&[0xff, 0xe1]);
        refused.into_iter().for_each(|jump| code.land(jump));
        code.put_with(&[0x48, 0x8b, 0x8b], RING + ring::RETURN);
        // It keeps no argument in the record: they are the call's own as long as rbx is not.
        let Range { start: own, end: over } = refuse(&mut code);
        let end = code.here();
        (end - start <= SIZE).then_some(())?;
        Some(Look { code: code.bytes, start, own, overs: vec![over], end })
    }

    /// Where it is to lie.
    pub fn address(&self) -> u64 {
        self.start
    }

    /// How far a thread at `address` has come.
    pub fn stage(&self, address: u64) -> Option<Stage> {
        (self.start..self.end).contains(&address).then(|| match address {
            at if at <= self.own => Stage::Begins,
            at if self.overs.contains(&at) => Stage::Over,
            _ => Stage::Looks,
        })
    }
}

/// The registers that the look has used, rax, and in rcx where to go on.
fn restore(code: &mut Code) -> Option<()> {
    for argument in 0..4 {
        code.load_argument(argument, RING + ring::ARGUMENTS + 8 * argument as u64)?;
    }
    code.put_with(&[0x48, 0x8b, 0x83], RING + ring::RESULT);
    code.put_with(&[0x48, 0x8b, 0x8b], RING + ring::RETURN);
    Some(())
}

/// `sub $REFUSED,%rcx`, and as [`give_back`].
fn refuse(code: &mut Code) -> Range<u64> {
    code.put(&[0x48, 0x83, 0xe9, REFUSED as u8]);
    give_back(code)
}

/// `mov %ebx,HEAD; mov OLD_RBX(%rbx),%rbx; jmp *%rcx`: takes the record back. From the instruction that gives
/// rbx back to the jump.
fn give_back(code: &mut Code) -> Range<u64> {
    code.put_with(&[0x89, 0x1c, 0x25], area::HEAD);
    let last = code.here();
    code.put_with(&[0x48, 0x8b, 0x9b], RING + ring::OLD_RBX);
    let over = code.here();
    code.put(&[0xff, 0xe1]);
    last..over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::code::whole_instructions;

    #[test]
    fn looks_are_whole_instructions_that_stay_within_and_may_call() {
        assert_eq!(LOOKS.len(), KINDS.len());
        for look in &*LOOKS {
            let room = area::LOOKS..area::LOOKS + area::LOOKS_SIZE;
            assert!(room.contains(&look.start) && room.contains(&look.end));
            let starts = whole_instructions(&look.code, look.start);
            assert!(starts.contains(&look.own));
            assert!(look.overs.iter().all(|over| starts.contains(over)));
            assert_eq!(look.stage(look.start), Some(Stage::Begins));
            assert_eq!(look.stage(look.own + 3), Some(Stage::Looks));
            assert_eq!(look.stage(look.end - 2), Some(Stage::Over));
            assert_eq!(look.stage(look.end), None);
        }
    }
}
