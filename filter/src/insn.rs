//! Instructions of classic BPF, raw and decoded. Which programs of them are valid is program.rs.

/// One instruction, laid out as the kernel's `struct sock_filter` (linux/filter.h).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Insn {
    /// The operation.
    pub code: u16,
    /// How many instructions a conditional jump skips when its condition holds.
    pub jt: u8,
    /// How many it skips when the condition does not hold.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

// Classes, sizes, modes and sources of linux/bpf_common.h and linux/filter.h.
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const STX: u16 = 0x03;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const X: u16 = 0x08;
const A: u16 = 0x10;
const TAX: u16 = 0x00;
const TXA: u16 = 0x80;
const NEG: u16 = 0x80;
const JA: u16 = 0x00;

const CLASS: u16 = 0x07;
const OPERATION: u16 = 0xf0;

/// The registers: the accumulator and the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reg {
    A,
    X,
}

/// The second operand of arithmetic and of comparisons; the first is the accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    K(u32),
    X,
}

/// Arithmetic that seccomp permits: all of classic BPF but MOD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Xor,
}

/// The conditions of jumps, all unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Cond {
    /// Equal.
    Eq,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Some bit in common.
    Set,
}

impl Cond {
    /// Whether `left` compares so with `right`.
    pub(crate) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Cond::Eq => left == right,
            Cond::Gt => left > right,
            Cond::Ge => left >= right,
            Cond::Set => left & right != 0,
        }
    }
}

/// A decoded instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// A = 32 bits of the data, at an offset.
    LoadWord(u32),
    /// Register = size of the data.
    LoadLen(Reg),
    /// Register = constant.
    LoadImm(Reg, u32),
    /// Register = a cell of scratch memory.
    LoadMem(Reg, u32),
    /// A cell of scratch memory = register.
    Store(Reg, u32),
    /// A = A op operand.
    Alu(Alu, Operand),
    /// A = -A.
    Neg,
    /// X = A.
    Tax,
    /// A = X.
    Txa,
    /// Skip that many instructions.
    Jump(u32),
    /// Skip `jt` or `jf` instructions.
    Branch { cond: Cond, operand: Operand, jt: u8, jf: u8 },
    /// End with this verdict, or with the accumulator.
    Return(Option<u32>),
}

impl Insn {
    /// What the instruction does; `None` when seccomp does not know it (seccomp_check_filter in
    /// kernel/seccomp.c).
    pub(crate) fn decode(self) -> Option<Op> {
        let Insn { code, jt, jf, k } = self;
        let operand = if code & X == 0 { Operand::K(k) } else { Operand::X };
        let op = match code & CLASS {
            LD if code == LD | ABS => Op::LoadWord(k),
            LD | LDX | ST | STX => return self.decode_memory(),
            ALU if code == ALU | NEG => Op::Neg,
            ALU if code & !(CLASS | OPERATION | X) == 0 => Op::Alu(decode_alu(code)?, operand),
            JMP if code == JMP | JA => Op::Jump(k),
            JMP if code & !(CLASS | OPERATION | X) == 0 => {
                Op::Branch { cond: decode_cond(code)?, operand, jt, jf }
            }
            RET if code == RET => Op::Return(Some(k)),
            RET if code == RET | A => Op::Return(None),
            MISC if code == MISC | TAX => Op::Tax,
            MISC if code == MISC | TXA => Op::Txa,
            _ => return None,
        };
        Some(op)
    }

    fn decode_memory(self) -> Option<Op> {
        const LD_LEN: u16 = LD | LEN;
        const LDX_LEN: u16 = LDX | LEN;
        const LD_IMM: u16 = LD | IMM;
        const LDX_IMM: u16 = LDX | IMM;
        const LD_MEM: u16 = LD | MEM;
        const LDX_MEM: u16 = LDX | MEM;
        match self.code {
            LD_LEN => Some(Op::LoadLen(Reg::A)),
            LDX_LEN => Some(Op::LoadLen(Reg::X)),
            LD_IMM => Some(Op::LoadImm(Reg::A, self.k)),
            LDX_IMM => Some(Op::LoadImm(Reg::X, self.k)),
            LD_MEM => Some(Op::LoadMem(Reg::A, self.k)),
            LDX_MEM => Some(Op::LoadMem(Reg::X, self.k)),
            ST => Some(Op::Store(Reg::A, self.k)),
            STX => Some(Op::Store(Reg::X, self.k)),
            _ => None,
        }
    }

    /// A = 32 bits of the data.
    pub(crate) fn load(offset: u32) -> Insn {
        Insn { code: LD | ABS, jt: 0, jf: 0, k: offset }
    }

    /// A = A & mask.
    pub(crate) fn and(mask: u32) -> Insn {
        Insn { code: ALU | 0x50, jt: 0, jf: 0, k: mask }
    }

    /// Compare the accumulator with a constant and skip.
    pub(crate) fn branch(cond: Cond, k: u32, jt: u8, jf: u8) -> Insn {
        let operation = match cond {
            Cond::Eq => 0x10,
            Cond::Gt => 0x20,
            Cond::Ge => 0x30,
            Cond::Set => 0x40,
        };
        Insn { code: JMP | operation, jt, jf, k }
    }

    /// Skip `distance` instructions.
    pub(crate) fn jump(distance: u32) -> Insn {
        Insn { code: JMP | JA, jt: 0, jf: 0, k: distance }
    }

    /// End with a verdict.
    pub(crate) fn ret(verdict: u32) -> Insn {
        Insn { code: RET, jt: 0, jf: 0, k: verdict }
    }
}

fn decode_alu(code: u16) -> Option<Alu> {
    let alu = match code & OPERATION {
        0x00 => Alu::Add,
        0x10 => Alu::Sub,
        0x20 => Alu::Mul,
        0x30 => Alu::Div,
        0x40 => Alu::Or,
        0x50 => Alu::And,
        0x60 => Alu::Lsh,
        0x70 => Alu::Rsh,
        0xa0 => Alu::Xor,
        _ => return None,
    };
    Some(alu)
}

fn decode_cond(code: u16) -> Option<Cond> {
    let cond = match code & OPERATION {
        0x10 => Cond::Eq,
        0x20 => Cond::Gt,
        0x30 => Cond::Ge,
        0x40 => Cond::Set,
        _ => return None,
    };
    Some(cond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_operations_of_seccomp_are_known() {
        // kernel/seccomp.c lists them: 9 arithmetic twice, 4 jumps twice, and 15 others.
        let known =
            (0..=u16::MAX).filter(|&code| Insn { code, jt: 0, jf: 0, k: 0 }.decode().is_some());
        assert_eq!(known.count(), 9 * 2 + 4 * 2 + 15);
    }

    #[test]
    fn what_is_built_decodes_to_itself() {
        for cond in [Cond::Eq, Cond::Gt, Cond::Ge, Cond::Set] {
            let operand = Operand::K(7);
            let op = Op::Branch { cond, operand, jt: 1, jf: 2 };
            assert_eq!(Insn::branch(cond, 7, 1, 2).decode(), Some(op));
        }
        assert_eq!(Insn::load(4).decode(), Some(Op::LoadWord(4)));
        assert_eq!(Insn::and(3).decode(), Some(Op::Alu(Alu::And, Operand::K(3))));
        assert_eq!(Insn::jump(9).decode(), Some(Op::Jump(9)));
        assert_eq!(Insn::ret(1).decode(), Some(Op::Return(Some(1))));
    }
}
