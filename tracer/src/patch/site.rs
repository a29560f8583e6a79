//! Proves that a site can be rewritten: which one instruction before the call is replaced by a jump,
//! what moves into the stub, and that nothing can tell the difference.
//!
//! * Exactly one instruction is overwritten, as a whole. So no thread can stand in the middle of what
//!   changes, and the syscall instruction itself stays: a restarted call, or a jump to it, works as
//!   before and stops.
//! * No branch of the function leads into that instruction.
//! * What lies between it and the call goes straight on, and does not depend on where it stands.
//! * The flags are dead after the call, for the stub changes them.

use super::stub::Moved;
use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, RflagsBits,
};
use std::{collections::BTreeSet, ops::Range};

/// `jmp rel32`.
pub const LONG: usize = 5;
/// `jmp rel8`.
pub const SHORT: usize = 2;
/// A stub holds no more moved instructions than this many bytes.
const MOVED_MAX: usize = 40;
/// How many instructions after the call may be looked at for the flags.
const FLAGS_MAX: usize = 24;
const STATUS: u32 = RflagsBits::CF
    | RflagsBits::PF
    | RflagsBits::AF
    | RflagsBits::ZF
    | RflagsBits::SF
    | RflagsBits::OF;

/// What the decoder says of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The instructions from the replaced one to the call.
    pub moved: Vec<Moved>,
}

impl Proof {
    /// Proves the site whose call is at `call`. `code` is the function around it, as `range` says.
    pub fn of(code: &[u8], range: &Range<u64>, call: u64) -> Option<Proof> {
        let function = Function::decode(code, range.start);
        let at = function.find(call)?;
        if function.instructions[at].code() != Code::Syscall || !function.flags_die_after(at) {
            return None;
        }
        let straight = function.straight_before(at);
        let first = straight
            .clone()
            .rev()
            .find(|&i| function.instructions[i].len() >= LONG && function.is_entered_whole(i))
            .or_else(|| straight.rev().find(|&i| function.is_entered_whole(i)))?;
        let moved = function.instructions[first..at].iter().map(|instruction| {
            let start = (instruction.ip() - range.start) as usize;
            let bytes = code[start..start + instruction.len()].to_vec();
            Moved { address: instruction.ip(), bytes }
        });
        let moved: Vec<Moved> = moved.collect();
        (moved[0].bytes.len() >= SHORT).then_some(Proof { moved })
    }
}

struct Function {
    instructions: Vec<Instruction>,
    /// Where its own branches lead.
    targets: BTreeSet<u64>,
}

impl Function {
    fn decode(code: &[u8], start: u64) -> Function {
        let decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        let near = |i: &Instruction| {
            matches!(i.op0_kind(), OpKind::NearBranch64).then(|| i.near_branch_target())
        };
        let targets = instructions.iter().filter_map(near).collect();
        Function { instructions, targets }
    }

    fn find(&self, address: u64) -> Option<usize> {
        self.instructions.binary_search_by_key(&address, Instruction::ip).ok()
    }

    /// The instructions that lead straight to `at` and can be moved, as far as they fit.
    fn straight_before(&self, at: usize) -> Range<usize> {
        let mut first = at;
        let mut size = 0;
        while let Some(before) = first.checked_sub(1) {
            let instruction = &self.instructions[before];
            size += instruction.len();
            if !can_move(instruction) || size > MOVED_MAX {
                break;
            }
            first = before;
        }
        first..at
    }

    /// No branch leads into the middle of an instruction.
    fn is_entered_whole(&self, at: usize) -> bool {
        let instruction = &self.instructions[at];
        instruction.len() >= SHORT
            && self.targets.range(instruction.ip() + 1..instruction.next_ip()).next().is_none()
    }

    /// Every way on from the call overwrites the flags before it looks at them. A return or a call
    /// hands none over (System V ABI, x86-64: 3.2.1).
    fn flags_die_after(&self, at: usize) -> bool {
        let mut live = STATUS;
        let mut next = at + 1;
        for _ in 0..FLAGS_MAX {
            let Some(instruction) = self.instructions.get(next) else { return false };
            if instruction.is_invalid() || instruction.rflags_read() & live != 0 {
                return false;
            }
            if !shifts(instruction) {
                live &= !instruction.rflags_modified();
            }
            if live == 0 {
                return true;
            }
            next = match instruction.flow_control() {
                FlowControl::Next => next + 1,
                FlowControl::UnconditionalBranch => {
                    let Some(target) = self.find(instruction.near_branch_target()) else {
                        // Into another function, which takes no flags.
                        return true;
                    };
                    target
                }
                FlowControl::Return | FlowControl::Call | FlowControl::IndirectCall => return true,
                // `hlt` after a call that does not return.
                FlowControl::Exception => return true,
                _ => return false,
            };
        }
        false
    }
}

/// A shift by zero leaves the flags as they are.
fn shifts(instruction: &Instruction) -> bool {
    use Mnemonic::{Rcl, Rcr, Rol, Ror, Sal, Sar, Shl, Shld, Shr, Shrd};
    matches!(instruction.mnemonic(), Rcl | Rcr | Rol | Ror | Sal | Sar | Shl | Shld | Shr | Shrd)
        || instruction.has_rep_prefix()
        || instruction.has_repne_prefix()
}

/// Whether an instruction does the same at another address.
fn can_move(instruction: &Instruction) -> bool {
    !instruction.is_invalid()
        && instruction.flow_control() == FlowControl::Next
        && !instruction.is_ip_rel_memory_operand()
        && !instruction.is_privileged()
        && !matches!(instruction.mnemonic(), Mnemonic::Syscall | Mnemonic::Endbr64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x1000;

    /// The proof for the last syscall instruction in `code`.
    fn prove(code: &[u8]) -> Option<Proof> {
        let at = code.windows(2).rposition(|bytes| bytes == [0x0f, 0x05]).unwrap();
        Proof::of(code, &(START..START + code.len() as u64), START + at as u64)
    }

    fn first(code: &[u8]) -> Option<u64> {
        Some(prove(code)?.moved[0].address - START)
    }

    #[test]
    fn the_number_before_the_call_is_replaced() {
        // mov $1,%eax; syscall; cmp $-4096,%rax; ret
        let code = b"\xb8\x01\0\0\0\x0f\x05\x48\x3d\0\xf0\xff\xff\xc3";
        assert_eq!(first(code), Some(0));
    }

    #[test]
    fn a_short_number_is_replaced_when_nothing_longer_leads_straight_to_it() {
        // xor %eax,%eax; syscall; ret
        assert_eq!(first(b"\x31\xc0\x0f\x05\xc3"), Some(0));
        // mov $7,%edi; xor %eax,%eax; syscall; ret
        let proof = prove(b"\xbf\x07\0\0\0\x31\xc0\x0f\x05\xc3").unwrap();
        assert_eq!((proof.moved.len(), proof.moved[0].address), (2, START));
        // je over; xor %eax,%eax; syscall; ret
        assert_eq!(first(b"\x74\x02\x31\xc0\x0f\x05\xc3"), Some(2));
    }

    #[test]
    fn bytes_that_only_look_like_the_number_are_not_taken_for_it() {
        // mov $1,%r8d; syscall; ret: the pattern b8 01 00 00 00 0f 05 begins in its middle.
        assert_eq!(first(b"\x41\xb8\x01\0\0\0\x0f\x05\xc3"), Some(0));
        // A call that is not on the way: the bytes stand within a number.
        let code = b"\x48\xb8\xb8\x01\0\0\0\x0f\x05\x90\xc3";
        assert_eq!(Proof::of(code, &(START..START + 11), START + 7), None);
    }

    #[test]
    fn a_branch_into_the_number_forbids_it() {
        // jmp +1; mov $0xc3900090,%eax; syscall; ret
        assert_eq!(first(b"\xeb\x01\xb8\x90\0\x90\xc3\x0f\x05\xc3"), None);
        // One to the call itself does no harm.
        assert_eq!(first(b"\xeb\x05\xb8\x01\0\0\0\x0f\x05\xc3"), Some(2));
    }

    #[test]
    fn flags_that_are_looked_at_after_the_call_forbid_it() {
        // mov $1,%eax; syscall; jc +0; ret
        assert_eq!(first(b"\xb8\x01\0\0\0\x0f\x05\x72\0\xc3"), None);
        // setz %al reads, too; test overwrites first.
        assert_eq!(first(b"\xb8\x01\0\0\0\x0f\x05\x0f\x94\xc0\xc3"), None);
        assert_eq!(first(b"\xb8\x01\0\0\0\x0f\x05\x85\xc0\x0f\x94\xc0\xc3"), Some(0));
        // A shift may leave them.
        assert_eq!(first(b"\xb8\x01\0\0\0\x0f\x05\xd3\xe0\x72\0\xc3"), None);
    }

    #[test]
    fn what_depends_on_its_place_does_not_move() {
        // lea 0x100(%rip),%rsi; xor %eax,%eax; syscall; ret
        assert_eq!(first(b"\x48\x8d\x35\0\x01\0\0\x31\xc0\x0f\x05\xc3"), Some(7));
        // endbr64 is where others come in.
        assert_eq!(first(b"\xf3\x0f\x1e\xfa\x31\xc0\x0f\x05\xc3"), Some(4));
    }
}
