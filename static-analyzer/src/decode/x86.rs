//! x86-64.

use super::mask;
use super::{Arithmetic, Decode, Dest, Entry, Flow, KernelRegs, Mem, Op, Reg, Source, When};
use iced_x86::{
    ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    Mnemonic, OpAccess, OpKind, Register,
};
use model::Arch;

pub(super) const RAX: Reg = 0;
pub(super) const RCX: Reg = 1;
pub(super) const RDX: Reg = 2;
pub(super) const RBX: Reg = 3;
pub(super) const RSP: Reg = 4;
pub(super) const RBP: Reg = 5;
pub(super) const RSI: Reg = 6;
pub(super) const RDI: Reg = 7;
pub(super) const R8: Reg = 8;
pub(super) const R9: Reg = 9;
pub(super) const R10: Reg = 10;
pub(super) const R11: Reg = 11;
pub(super) const R12: Reg = 12;
pub(super) const R15: Reg = 15;

/// syscall(2): the number in rax, the arguments in these.
pub(super) const NATIVE: KernelRegs =
    KernelRegs { arch: Arch::X86_64, number: RAX, arguments: [RDI, RSI, RDX, R10, R8, R9] };
/// int 0x80.
pub(super) const I386: KernelRegs =
    KernelRegs { arch: Arch::I386, number: RAX, arguments: [RBX, RCX, RDX, RSI, RDI, RBP] };

/// The longest instruction.
const LENGTH_MAX: usize = 15;

/// The decoder for x86-64.
pub struct X86_64 {
    info: InstructionInfoFactory,
    instruction: Instruction,
}

impl Default for X86_64 {
    fn default() -> X86_64 {
        X86_64 { info: InstructionInfoFactory::new(), instruction: Instruction::default() }
    }
}

impl std::fmt::Debug for X86_64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("X86_64")
    }
}

/// The whole register that a name is a part of, and the part's size; the second bytes (`ah`) have
/// size 0, as they are not followed.
fn general(register: Register) -> Option<(Reg, u8)> {
    if !register.is_gpr() {
        return None;
    }
    let size = match register {
        Register::AH | Register::BH | Register::CH | Register::DH => 0,
        _ => register.size() as u8,
    };
    u8::try_from(register.full_register().number()).ok().map(|number| (number, size))
}

fn memory(instruction: &Instruction) -> Mem {
    let thread = [Register::FS, Register::GS].contains(&instruction.memory_segment());
    if instruction.is_ip_rel_memory_operand() {
        let displacement = instruction.ip_rel_memory_address() as i64;
        return Mem { base: None, index: None, displacement, thread };
    }
    let whole = |register| general(register).map(|(register, _)| register);
    let scale = instruction.memory_index_scale() as u8;
    let vector = instruction.memory_index().is_vector_register();
    Mem {
        base: whole(instruction.memory_base()),
        // An index of vectors: any.
        index: if vector {
            Some((RSP, 1))
        } else {
            whole(instruction.memory_index()).map(|register| (register, scale))
        },
        displacement: instruction.memory_displacement64() as i64,
        thread,
    }
}

/// A word of the stack at the stack pointer.
const TOP: Mem = Mem { base: Some(RSP), index: None, displacement: 0, thread: false };

fn stack(bytes: u64, what: Arithmetic) -> Op {
    Op::Compute { to: RSP, what, from: Source::Const(bytes), width: 8 }
}

fn is_immediate(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Immediate8
            | Immediate16
            | Immediate32
            | Immediate64
            | Immediate8to16
            | Immediate8to32
            | Immediate8to64
            | Immediate32to64
    )
}

impl Decode for X86_64 {
    fn decode(&mut self, bytes: &[u8], address: u64, ops: &mut Vec<Op>) -> Option<(u8, Flow)> {
        let bytes = &bytes[..bytes.len().min(LENGTH_MAX)];
        let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        decoder.decode_out(&mut self.instruction);
        let instruction = &self.instruction;
        if instruction.is_invalid() {
            return None;
        }
        let flow = match instruction.flow_control() {
            FlowControl::Next => {
                lift(instruction, &mut self.info, ops);
                if instruction.mnemonic() == Mnemonic::Hlt { Flow::Stop } else { Flow::Next }
            }
            FlowControl::UnconditionalBranch => {
                Flow::Jump(Dest::Direct(instruction.near_branch_target()))
            }
            FlowControl::IndirectBranch => Flow::Jump(indirect(instruction)),
            FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
                match instruction.near_branch_target() {
                    0 => Flow::Next,
                    target => Flow::Branch(target, when(instruction.condition_code())),
                }
            }
            FlowControl::Return => Flow::Return,
            FlowControl::Call if instruction.mnemonic() == Mnemonic::Syscall => {
                Flow::Kernel(Entry::Native)
            }
            FlowControl::Call if instruction.mnemonic() == Mnemonic::Sysenter => {
                Flow::Kernel(Entry::I386)
            }
            FlowControl::Call if instruction.near_branch_target() != 0 => {
                Flow::Call(Dest::Direct(instruction.near_branch_target()))
            }
            FlowControl::Call | FlowControl::IndirectCall => Flow::Call(indirect(instruction)),
            FlowControl::Interrupt => match instruction.mnemonic() {
                Mnemonic::Int if instruction.immediate8() == 0x80 => Flow::Kernel(Entry::I386),
                // A debugger's breakpoint is passed.
                Mnemonic::Int3 => Flow::Stop,
                _ => Flow::Stop,
            },
            FlowControl::Exception => Flow::Stop,
        };
        Some((instruction.len() as u8, flow))
    }
}

fn when(condition: ConditionCode) -> When {
    match condition {
        ConditionCode::a => When::Above,
        ConditionCode::ae => When::AboveOrEqual,
        ConditionCode::b => When::Below,
        ConditionCode::be => When::BelowOrEqual,
        ConditionCode::e => When::Equal,
        ConditionCode::ne => When::NotEqual,
        _ => When::Other,
    }
}

fn indirect(instruction: &Instruction) -> Dest {
    match (instruction.op0_kind(), general(instruction.op0_register())) {
        (OpKind::Register, Some((register, _))) => Dest::Reg(register),
        _ => Dest::Mem(memory(instruction)),
    }
}

/// The effects of an instruction that does not jump.
fn lift(instruction: &Instruction, info: &mut InstructionInfoFactory, ops: &mut Vec<Op>) {
    if !followed(instruction, ops) {
        any(instruction, info, ops);
    }
}

/// The effects of the instructions that values are followed through; false for all others.
fn followed(instruction: &Instruction, ops: &mut Vec<Op>) -> bool {
    use Mnemonic::*;
    let (kind0, kind1) = (instruction.op0_kind(), instruction.op1_kind());
    let reg0 = general(instruction.op0_register()).filter(|_| kind0 == OpKind::Register);
    let reg1 = general(instruction.op1_register()).filter(|_| kind1 == OpKind::Register);
    let immediate = is_immediate(kind1).then(|| instruction.immediate(1));
    let source = match (reg1, immediate) {
        (Some((register, size)), _) if size >= 4 => Some(Source::Reg(register)),
        (Some(_), _) => Some(Source::Unknown),
        (None, Some(value)) => Some(Source::Const(value)),
        _ => None,
    };
    let whole = reg0.filter(|&(_, size)| size >= 4);
    let from_memory = kind1 == OpKind::Memory;
    let arithmetic = match instruction.mnemonic() {
        Add => Some(Arithmetic::Add),
        Sub => Some(Arithmetic::Sub),
        Adc => Some(Arithmetic::AddCarry),
        Sbb => Some(Arithmetic::SubBorrow),
        And => Some(Arithmetic::And),
        Or => Some(Arithmetic::Or),
        Xor => Some(Arithmetic::Xor),
        Shl => Some(Arithmetic::Shl),
        Shr => Some(Arithmetic::Shr),
        _ => None,
    };
    match instruction.mnemonic() {
        Nop | Endbr64 | Pause | Lfence | Mfence | Sfence | Cld => {}
        Mov => match (reg0, source) {
            (Some((to, width)), Some(from)) if width > 0 => {
                if let (Source::Unknown, Some((used, _))) = (from, reg1) {
                    ops.push(Op::Use(used));
                }
                ops.push(Op::Set { to, from, width });
            }
            (Some((to, width)), None) if from_memory && width >= 4 => {
                ops.push(Op::Load { to, mem: memory(instruction), width, signed: false });
            }
            (None, Some(from)) if kind0 == OpKind::Memory => {
                let width = instruction.memory_size().size() as u8;
                let from = if width < 4 && reg1.is_some() { Source::Unknown } else { from };
                ops.push(Op::Store { mem: memory(instruction), from, width });
            }
            _ => return false,
        },
        Movzx | Movsx | Movsxd => match (whole, reg1) {
            (Some((to, _)), Some((from, width))) if width > 0 => {
                let signed = instruction.mnemonic() != Movzx;
                ops.push(Op::Extend { to, from, width, signed });
            }
            (Some((to, _)), None) if from_memory => {
                let width = instruction.memory_size().size() as u8;
                let signed = instruction.mnemonic() != Movzx;
                ops.push(Op::Load { to, mem: memory(instruction), width, signed });
            }
            _ => return false,
        },
        Cdqe => ops.push(Op::Extend { to: RAX, from: RAX, width: 4, signed: true }),
        Lea => match whole {
            Some((to, _)) => ops.push(Op::Address { to, mem: memory(instruction) }),
            None => return false,
        },
        Xor | Sub if reg0.is_some() && reg0 == reg1 && whole.is_some() => {
            if let Some((to, _)) = whole {
                ops.push(Op::Set { to, from: Source::Const(0), width: 8 });
            }
        }
        // 0 or -1.
        Sbb if reg0.is_some() && reg0 == reg1 && whole.is_some() => {
            if let Some((to, width)) = whole {
                ops.push(Op::Set { to, from: Source::Const(0), width: 8 });
                ops.push(Op::Choose { to, from: Source::Const(mask(width)) });
            }
        }
        Add | Sub | Adc | Sbb | And | Or | Xor | Shl | Shr => match (whole, source, arithmetic) {
            (Some((to, width)), Some(from), Some(what)) => {
                ops.push(Op::Compute { to, what, from, width });
            }
            _ => return false,
        },
        Inc | Dec => match whole {
            Some((to, width)) => {
                let what =
                    if instruction.mnemonic() == Inc { Arithmetic::Add } else { Arithmetic::Sub };
                ops.push(Op::Compute { to, what, from: Source::Const(1), width });
            }
            None => return false,
        },
        Neg | Not => match whole {
            Some((to, width)) => {
                let neg = instruction.mnemonic() == Neg;
                let what = if neg { Arithmetic::Neg } else { Arithmetic::Not };
                ops.push(Op::Compute { to, what, from: Source::Const(0), width });
            }
            None => return false,
        },
        Push => {
            // `push rsp` pushes what it was before.
            if kind0 == OpKind::Memory {
                ops.push(Op::Push { mem: memory(instruction) });
            } else {
                let from = match (reg0, is_immediate(kind0)) {
                    (Some((register, 8)), _) => Source::Reg(register),
                    (_, true) => Source::Const(instruction.immediate(0)),
                    _ => Source::Unknown,
                };
                ops.push(Op::Store { mem: Mem { displacement: -8, ..TOP }, from, width: 8 });
            }
            ops.push(stack(8, Arithmetic::Sub));
        }
        Pop => {
            match reg0 {
                Some((RSP, _)) => ops.push(Op::Clobber(RSP)),
                Some((to, 8)) => ops.push(Op::Load { to, mem: TOP, width: 8, signed: false }),
                Some(_) => return false,
                None => {}
            }
            ops.push(stack(8, Arithmetic::Add));
        }
        Leave => {
            ops.push(Op::Set { to: RSP, from: Source::Reg(RBP), width: 8 });
            ops.push(Op::Load { to: RBP, mem: TOP, width: 8, signed: false });
            ops.push(stack(8, Arithmetic::Add));
        }
        Cmp | Test => {
            // What is tested with itself is compared with 0.
            if let (Test, Some((reg, width))) = (instruction.mnemonic(), reg0)
                && reg0 == reg1
                && width > 0
            {
                ops.push(Op::Compare { reg, with: 0, width });
            }
            if let (Some(with), Cmp) = (immediate, instruction.mnemonic()) {
                match reg0 {
                    Some((reg, width)) if width > 0 => {
                        ops.push(Op::Compare { reg, with: with & mask(width), width });
                    }
                    None if kind0 == OpKind::Memory => {
                        let width = instruction.memory_size().size() as u8;
                        let with = with & mask(width);
                        ops.push(Op::CompareMemory { mem: memory(instruction), with, width });
                    }
                    _ => {}
                }
            }
        }
        Xchg => match (reg0, reg1) {
            (Some((one, size)), Some((other, _))) if one == other && size >= 4 => {}
            (Some((one, width)), Some((other, _))) if width >= 4 => {
                ops.push(Op::Swap { one, other, width });
            }
            _ => return false,
        },
        mnemonic if is_conditional_move(mnemonic) => match (whole, source) {
            (Some((to, _)), Some(from)) => ops.push(Op::Choose { to, from }),
            (Some((to, width)), None) if from_memory => {
                ops.push(Op::ChooseLoad { to, mem: memory(instruction), width });
            }
            _ => return false,
        },
        _ => return false,
    }
    true
}

fn is_conditional_move(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        mnemonic,
        Cmova
            | Cmovae
            | Cmovb
            | Cmovbe
            | Cmove
            | Cmovg
            | Cmovge
            | Cmovl
            | Cmovle
            | Cmovne
            | Cmovno
            | Cmovnp
            | Cmovns
            | Cmovo
            | Cmovp
            | Cmovs
    )
}

/// Whatever it does: which registers it reads and writes, and which memory.
fn any(instruction: &Instruction, info: &mut InstructionInfoFactory, ops: &mut Vec<Op>) {
    let info = info.info(instruction);
    let explicit =
        (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    let mem = memory(instruction);
    if explicit {
        let width = instruction.memory_size().size().clamp(1, 64) as u16;
        let writes = info.used_memory().iter().any(|used| {
            !matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess)
        });
        ops.push(Op::Touch { mem, width, writes });
    }
    let addresses = |register| {
        explicit
            && (mem.base == Some(register) || mem.index.is_some_and(|(index, _)| index == register))
    };
    for used in info.used_registers() {
        let Some((register, _)) = general(used.register()) else { continue };
        let access = used.access();
        let reads =
            !matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::NoMemAccess);
        if reads && register != RSP && !addresses(register) {
            ops.push(Op::Use(register));
        }
        if !matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess) {
            ops.push(Op::Clobber(register));
        }
    }
}
