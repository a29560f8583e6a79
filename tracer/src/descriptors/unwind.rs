//! Walks a stopped thread's stack by the call-frame information of its files, `.eh_frame`. Only for
//! x86-64; elsewhere a stack is its first frame.
//!
//! The files and the stack are the traced program's: how much is read of each is bounded, and what
//! makes no sense ends the walk.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, Register, RegisterRule,
    UnwindContext, UnwindSection, X86_64,
};
use model::Text;
use std::{collections::HashMap, path::Path};
use supervisor::{
    elf_file::{ElfFile, Section, Segment, open_regular},
    memory::Pages,
    procfs::{self, Mapping},
};

/// How much is read of one file.
const FILE_BUDGET: u64 = 64 << 20;
/// How much is read of all files of a run.
const RUN_BUDGET: u64 = 512 << 20;
/// How many pages of one stack are read.
const PAGES_MAX: usize = 64;
/// Registers by their DWARF numbers: those up to the return address.
const REGISTERS: usize = 17;

/// The values of registers in one frame; absent where they were not kept.
pub type Registers = [Option<u64>; REGISTERS];

#[derive(Debug)]
struct Frames {
    segments: Vec<Segment>,
    frame: Section,
    header: Option<Section>,
}

/// What is known of the files of a run.
#[derive(Debug)]
pub struct Unwinder {
    files: HashMap<Text, Option<Frames>>,
    left: u64,
}

impl Default for Unwinder {
    fn default() -> Unwinder {
        Unwinder { files: HashMap::new(), left: RUN_BUDGET }
    }
}

impl Unwinder {
    /// The return addresses above the frame of `registers`, from the inside outwards.
    pub fn callers(
        &mut self,
        tid: i32,
        mappings: &[Mapping],
        mut registers: Registers,
        bound: usize,
    ) -> Vec<u64> {
        let mut memory = Pages::new(tid, PAGES_MAX);
        let mut callers = Vec::new();
        let mut context = UnwindContext::new();
        while callers.len() < bound {
            let Some(pc) = registers[usize::from(X86_64::RA.0)] else { break };
            // A return address may be the first byte after its function.
            let address = if callers.is_empty() { pc } else { pc.wrapping_sub(1) };
            let Some(next) =
                self.step(tid, mappings, address, &registers, &mut memory, &mut context)
            else {
                break;
            };
            let sp = usize::from(X86_64::RSP.0);
            match (next[usize::from(X86_64::RA.0)], next[sp], registers[sp]) {
                // Stacks grow downwards: what leads back is no caller.
                (Some(pc), Some(outer), Some(inner)) if pc != 0 && outer > inner => {
                    callers.push(pc);
                }
                _ => break,
            }
            registers = next;
        }
        callers
    }

    fn step(
        &mut self,
        tid: i32,
        mappings: &[Mapping],
        address: u64,
        registers: &Registers,
        memory: &mut Pages,
        context: &mut UnwindContext<usize>,
    ) -> Option<Registers> {
        let mapping = procfs::mapping_of(mappings, address).filter(|mapping| mapping.is_file())?;
        let frames = self.frames(tid, &mapping.path)?;
        let offset = address - mapping.start + mapping.offset;
        let within =
            |segment: &&Segment| segment.offset <= offset && offset - segment.offset < segment.size;
        let segment = frames.segments.iter().find(within)?;
        let address = offset - segment.offset + segment.address;

        let mut frame = EhFrame::new(&frames.frame.data, LittleEndian);
        frame.set_address_size(8);
        let header = frames.header.as_ref();
        let bases = BaseAddresses::default()
            .set_eh_frame(frames.frame.address)
            .set_eh_frame_hdr(header.map_or(0, |header| header.address));
        let parsed = header
            .and_then(|header| EhFrameHdr::new(&header.data, LittleEndian).parse(&bases, 8).ok());
        let table = parsed.as_ref().and_then(|parsed| parsed.table());
        let fde = match table {
            Some(table) => {
                table.fde_for_address(&frame, &bases, address, EhFrame::cie_from_offset).ok()?
            }
            None => frame.fde_for_address(&bases, address, EhFrame::cie_from_offset).ok()?,
        };
        let row = fde.unwind_info_for_address(&frame, &bases, context, address).ok()?;

        let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { return None };
        let cfa = (*registers.get(usize::from(register.0))?)?.wrapping_add_signed(offset);
        let mut next = *registers;
        for (number, value) in next.iter_mut().enumerate() {
            *value = match row.register(Register(number as u16)) {
                // Those that a callee may spoil are unknown further out; nobody asks for them.
                None | Some(RegisterRule::SameValue) => *value,
                Some(RegisterRule::Offset(offset)) => word(memory, cfa.wrapping_add_signed(offset)),
                Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add_signed(offset)),
                Some(RegisterRule::Register(other)) => {
                    registers.get(usize::from(other.0)).copied().flatten()
                }
                Some(_) => None,
            };
        }
        // The outermost frame says that its return address is undefined.
        row.register(X86_64::RA).filter(|rule| *rule != RegisterRule::Undefined)?;
        next[usize::from(X86_64::RSP.0)] = Some(cfa);
        Some(next)
    }

    fn frames(&mut self, tid: i32, path: &Text) -> Option<&Frames> {
        if !self.files.contains_key(path) {
            let opened_as = format!("/proc/{tid}/root{path}");
            let frames = read(&opened_as, &mut self.left);
            self.files.insert(path.clone(), frames);
        }
        self.files.get(path)?.as_ref()
    }
}

fn word(memory: &mut Pages, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read(address, &mut bytes)?;
    Some(u64::from_ne_bytes(bytes))
}

fn read(opened_as: &str, left: &mut u64) -> Option<Frames> {
    let file = open_regular(Path::new(opened_as)).ok()?;
    let elf = ElfFile::new(&file, FILE_BUDGET.min(*left)).ok()?;
    let frames = || {
        Some(Frames {
            segments: elf.segments().ok()?,
            frame: elf.section(".eh_frame").ok()??,
            header: elf.section(".eh_frame_hdr").ok().flatten(),
        })
    };
    let frames = elf.is_64().unwrap_or(false).then(frames).flatten();
    *left = left.saturating_sub(elf.used());
    frames
}

/// The registers of a thread that ptrace has stopped.
#[cfg(target_arch = "x86_64")]
pub fn registers(tid: i32) -> Option<Registers> {
    let read = nix::sys::ptrace::getregs(nix::unistd::Pid::from_raw(tid)).ok()?;
    // Of a 32-bit process the frames are others. CS 0x33 is that of 64-bit code.
    if read.cs != 0x33 {
        return None;
    }
    // The order of the System V ABI for x86-64, figure 3.36.
    Some(
        [
            read.rax, read.rdx, read.rcx, read.rbx, read.rsi, read.rdi, read.rbp, read.rsp,
            read.r8, read.r9, read.r10, read.r11, read.r12, read.r13, read.r14, read.r15, read.rip,
        ]
        .map(Some),
    )
}

/// The registers of a thread that ptrace has stopped: not known here.
#[cfg(not(target_arch = "x86_64"))]
pub fn registers(_: i32) -> Option<Registers> {
    None
}
