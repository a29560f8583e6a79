//! Room for stubs before a new image does anything: between execve and its first instruction a thread makes
//! the call that maps the area, and what earlier images of the program showed is written at once. One more
//! call, which makes a part of the area writable, it makes by itself, on its way to its first instruction:
//!
//! ```text
//! boot:   syscall                     mprotect, which the filter lets pass from here
//!         test %eax,%eax
//!         jne  refused
//!         movabs $RDI,%rdi            what it begins with; execve left 0 in rax
//!         movabs $RSI,%rsi
//!         movabs $RDX,%rdx
//!         movabs $RCX,%rcx
//!         movabs $R11,%r11
//!         jmp  *ENTRY
//! refused:
//!         mov  $GETPID,%eax           out of what the filter lets pass: it stops
//!         syscall
//! ```
//!
//! The first call needs a `syscall` instruction of the image. Where one lies, seen from where the image begins,
//! earlier images with the same loader have shown: only of the first the first call is waited for.

use super::{
    Made, Patcher, area,
    code::{Code, If},
    inject::{self, First},
    memory,
    space::Due,
    write,
};
use crate::{observe::Event, recorder::Recorder};
use libc::user_regs_struct;
use nix::{sys::ptrace, unistd::Pid};

/// The code segment of 64-bit programs: __USER_CS, asm/segment.h.
const WIDE: u64 = 0x33;
/// How far from where they begin images had their first call; so many are kept.
const FIRSTS_BOUND: usize = 8;
const SYSCALL: [u8; 2] = [0x0f, 0x05];
/// `mov $GETPID,%eax; syscall`.
const REFUSED: [u8; 7] = [0xb8, libc::SYS_getpid as u8, 0, 0, 0, SYSCALL[0], SYSCALL[1]];

impl Patcher {
    /// A process, which stopped because it executed an image, gets its stubs. `None` where that waits for
    /// its first call.
    pub fn begin(&mut self, tid: i32, process: i32, recorder: &mut Recorder) -> Option<Made> {
        let own = ptrace::getregs(Pid::from_raw(tid)).ok().filter(|own| own.cs == WIDE)?;
        let call = self.firsts.iter().map(|first| own.rip.wrapping_add(*first));
        let Some(call) = call.into_iter().find(|&call| is_call(tid, call)) else {
            self.entries.insert(process, own.rip);
            return None;
        };
        let begins_as = |made: Made| if begins(tid, own) { made } else { Made::Ended(None) };
        match inject::first(tid, call, area::mapping()) {
            First::Returned(address) if address as u64 == area::AREA.start => {}
            First::Returned(_) => return Some(begins_as(Made::Refused)),
            First::Not => return None,
            First::Ended(wait) => return Some(Made::Ended(wait)),
        }
        // Whether what is kept back can be written shows below.
        memory::stage(tid);
        self.has_room(tid, process);
        let program = recorder.runs(process);
        let is_known = program.is_some_and(|program| self.shown.contains_key(&program));
        if let Some(space) = self.space(process) {
            space.due = Due::No;
        }
        let is_booted = is_known && self.boot(tid, process, own, recorder);
        if memory::unstage(tid).is_err() {
            self.leave(process, recorder);
            return Some(begins_as(Made::Refused));
        }
        Some(if is_booted { Made::Done } else { begins_as(Made::Done) })
    }

    /// Prepares a program that is known, and lets the thread begin with the boot code.
    fn boot(
        &mut self,
        tid: i32,
        process: i32,
        own: user_regs_struct,
        recorder: &mut Recorder,
    ) -> bool {
        let code = boot(&own);
        if write(tid, area::BOOT, &code).is_err() || write(tid, area::REFUSED, &REFUSED).is_err() {
            return false;
        }
        let Some(space) = self.space(process) else { return false };
        space.opened = true;
        space.begins = Some(Box::new(own));
        (space.loading, space.due) = (true, Due::Soon);
        if write(tid, area::LOADING, &[1]).is_err() {
            return false;
        }
        self.install(tid, process, recorder);
        let (number, [rdi, rsi, rdx, ..]) = area::opening();
        let (rax, orig_rax) = (number as u64, u64::MAX);
        let regs = user_regs_struct { rip: area::BOOT, rax, orig_rax, rdi, rsi, rdx, ..own };
        ptrace::setregs(Pid::from_raw(tid), regs).is_ok()
    }

    /// A call that stopped: whether it says that nothing can be written in the area. Then the image begins
    /// without stubs.
    pub fn begins_without(&mut self, event: &Event, process: i32) -> bool {
        if event.instruction_pointer != area::REFUSED + REFUSED.len() as u64 {
            return false;
        }
        let tid = event.tid;
        let Some(space) = self.space(process) else { return false };
        let Some(own) = space.begins.take() else { return false };
        space.undo(tid, super::Others::None, 0, u64::MAX);
        space.opened = false;
        space.closed = true;
        begins(tid, *own)
    }

    /// The first call of an image that got no stubs before it: where later ones will find it.
    pub(super) fn learn_first(&mut self, tid: i32, process: i32) {
        let Some(entry) = self.entries.remove(&process) else { return };
        let Ok(regs) = ptrace::getregs(Pid::from_raw(tid)) else { return };
        let first = regs.rip.wrapping_sub(2).wrapping_sub(entry);
        if !self.firsts.contains(&first) {
            self.firsts.insert(0, first);
            self.firsts.truncate(FIRSTS_BOUND);
        }
    }
}

fn is_call(tid: i32, address: u64) -> bool {
    let mut bytes = [0; 2];
    supervisor::memory::read(tid, address, &mut bytes).is_ok() && bytes == SYSCALL
}

/// Lets a thread begin where its image does. Whether it is still there.
fn begins(tid: i32, own: user_regs_struct) -> bool {
    let regs = user_regs_struct { rax: 0, orig_rax: u64::MAX, ..own };
    ptrace::setregs(Pid::from_raw(tid), regs).is_ok()
}

fn boot(own: &user_regs_struct) -> Vec<u8> {
    let mut code = Code::at(area::BOOT);
    code.put(&SYSCALL);
    code.put(&[0x85, 0xc0]);
    code.jump_near(Some(If::NotEqual), area::REFUSED);
    let registers = [
        ([0x48, 0xbf], own.rdi),
        ([0x48, 0xbe], own.rsi),
        ([0x48, 0xba], own.rdx),
        ([0x48, 0xb9], own.rcx),
        ([0x49, 0xbb], own.r11),
    ];
    for (instruction, value) in registers {
        code.put(&instruction);
        code.put(&value.to_le_bytes());
    }
    code.jump_far(own.rip);
    code.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    #[test]
    fn the_boot_code_is_what_its_picture_says() {
        // SAFETY: all-zero is a valid set of registers.
        let own: user_regs_struct = unsafe { std::mem::zeroed() };
        let code = boot(&own);
        assert!(area::BOOT + code.len() as u64 <= area::LOOKS + area::LOOKS_SIZE);
        let decoder = Decoder::with_ip(64, &code, area::BOOT, DecoderOptions::NONE);
        let instructions: Vec<_> = decoder.into_iter().take(9).collect();
        let mnemonics: Vec<_> = instructions.iter().map(|one| one.mnemonic()).collect();
        use Mnemonic::{Jmp, Jne, Mov, Syscall, Test};
        assert_eq!(mnemonics, [Syscall, Test, Jne, Mov, Mov, Mov, Mov, Mov, Jmp]);
        assert_eq!(instructions[2].near_branch_target(), area::REFUSED);
    }
}
