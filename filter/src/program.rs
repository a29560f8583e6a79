//! A program that the kernel accepts as a filter.
//!
//! The rules are those of bpf_check_classic (net/core/filter.c) and seccomp_check_filter
//! (kernel/seccomp.c).

use crate::{
    data,
    insn::{Alu, Insn, Op, Operand},
};

/// The cells of scratch memory, `BPF_MEMWORDS`.
pub(crate) const CELLS: usize = 16;

/// A valid filter: it ends, and it stays inside itself and inside its data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    insns: Vec<Insn>,
}

/// Why the kernel would refuse a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It has 1 to 4096 instructions.
    #[error("a filter has 1 to {max} instructions, not {0}", max = Program::MAX)]
    Length(usize),
    /// An instruction has 8 bytes.
    #[error("a filter is a multiple of 8 bytes, not {0} bytes")]
    Bytes(usize),
    /// Not an instruction that seccomp permits.
    #[error("instruction {at}: seccomp does not permit the operation {code:#06x}")]
    Operation {
        /// Its place.
        at: usize,
        /// Its code.
        code: u16,
    },
    /// A load from outside the data, or not aligned to 4 bytes.
    #[error("instruction {at}: no 32-bit word at offset {offset}")]
    Load {
        /// Its place.
        at: usize,
        /// From where it loads.
        offset: u32,
    },
    /// A jump out of the program.
    #[error("instruction {at}: jumps out of the filter")]
    Jump {
        /// Its place.
        at: usize,
    },
    /// A division by zero or a shift by 32 bits or more.
    #[error("instruction {at}: cannot divide or shift by {k}")]
    Arithmetic {
        /// Its place.
        at: usize,
        /// The operand.
        k: u32,
    },
    /// There are 16 cells of scratch memory.
    #[error("instruction {at}: no scratch memory cell {cell}")]
    Cell {
        /// Its place.
        at: usize,
        /// The cell.
        cell: u32,
    },
    /// A cell of scratch memory that some path has not written.
    #[error("instruction {at}: scratch memory cell {cell} is read before it is written")]
    Unwritten {
        /// Its place.
        at: usize,
        /// The cell.
        cell: u32,
    },
    /// The last instruction is not a return.
    #[error("the last instruction is not a return")]
    End,
}

impl Program {
    /// How many instructions a filter may have, `BPF_MAXINSNS`.
    pub const MAX: usize = 4096;

    /// Checks instructions as the kernel does.
    ///
    /// # Errors
    /// What the kernel would answer EINVAL for.
    pub fn new(insns: Vec<Insn>) -> Result<Program, ProgramError> {
        if insns.is_empty() || insns.len() > Program::MAX {
            return Err(ProgramError::Length(insns.len()));
        }
        let ops = decode(&insns)?;
        for (at, op) in ops.iter().enumerate() {
            check(at, *op, insns.len())?;
        }
        if !matches!(ops.last(), Some(Op::Return(_))) {
            return Err(ProgramError::End);
        }
        check_scratch_memory(&ops)?;
        Ok(Program { insns })
    }

    /// Reads what [`Program::to_bytes`] wrote on a machine of the same byte order.
    ///
    /// # Errors
    /// As [`Program::new`], and when bytes are missing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramError> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(ProgramError::Bytes(bytes.len()));
        }
        let insns = chunks.iter().map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| Insn {
            code: u16::from_ne_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_ne_bytes([k0, k1, k2, k3]),
        });
        Program::new(insns.collect())
    }

    /// The array of `struct sock_filter` in this machine's byte order: what bubblewrap's
    /// `--seccomp` reads, and crun's raw BPF.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 * self.insns.len());
        for Insn { code, jt, jf, k } in &self.insns {
            bytes.extend(code.to_ne_bytes());
            bytes.extend([*jt, *jf]);
            bytes.extend(k.to_ne_bytes());
        }
        bytes
    }

    /// The instructions, at least one.
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }
}

fn decode(insns: &[Insn]) -> Result<Vec<Op>, ProgramError> {
    let decode = |(at, insn): (usize, &Insn)| {
        insn.decode().ok_or(ProgramError::Operation { at, code: insn.code })
    };
    insns.iter().enumerate().map(decode).collect()
}

/// Checks one instruction of a program of `len`.
fn check(at: usize, op: Op, len: usize) -> Result<(), ProgramError> {
    let after = len - at - 1;
    match op {
        Op::LoadWord(offset) if offset >= data::SIZE || offset % 4 != 0 => {
            Err(ProgramError::Load { at, offset })
        }
        Op::LoadMem(_, cell) | Op::Store(_, cell) if cell as usize >= CELLS => {
            Err(ProgramError::Cell { at, cell })
        }
        Op::Alu(Alu::Div, Operand::K(k @ 0))
        | Op::Alu(Alu::Lsh | Alu::Rsh, Operand::K(k @ 32..)) => {
            Err(ProgramError::Arithmetic { at, k })
        }
        Op::Jump(distance) if distance as usize >= after => Err(ProgramError::Jump { at }),
        Op::Branch { jt, jf, .. } if usize::from(jt.max(jf)) >= after => {
            Err(ProgramError::Jump { at })
        }
        _ => Ok(()),
    }
}

/// Checks that scratch memory is written before it is read, on every path. Jumps lead forward only,
/// so one pass suffices (check_load_and_stores in net/core/filter.c).
fn check_scratch_memory(ops: &[Op]) -> Result<(), ProgramError> {
    let mut on_arrival = vec![u16::MAX; ops.len()];
    let mut written = 0u16;
    for (at, op) in ops.iter().enumerate() {
        written &= on_arrival[at];
        match *op {
            Op::Store(_, cell) => written |= 1 << cell,
            Op::LoadMem(_, cell) if written & (1 << cell) == 0 => {
                return Err(ProgramError::Unwritten { at, cell });
            }
            Op::Jump(distance) => {
                on_arrival[at + 1 + distance as usize] &= written;
                written = u16::MAX;
            }
            Op::Branch { jt, jf, .. } => {
                on_arrival[at + 1 + usize::from(jt)] &= written;
                on_arrival[at + 1 + usize::from(jf)] &= written;
                written = u16::MAX;
            }
            // The kernel lets what follows a return inherit its state; so does this.
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insn::Cond;

    const RET: Insn = Insn { code: 0x06, jt: 0, jf: 0, k: 0 };

    fn with(code: u16, k: u32) -> Result<Program, ProgramError> {
        Program::new(vec![Insn { code, jt: 0, jf: 0, k }, RET])
    }

    #[test]
    fn what_the_kernel_refuses_is_refused() {
        assert_eq!(Program::new(vec![]), Err(ProgramError::Length(0)));
        assert_eq!(Program::new(vec![RET; 4097]), Err(ProgramError::Length(4097)));
        assert_eq!(Program::new(vec![Insn::load(0)]), Err(ProgramError::End));
        assert_eq!(with(0x20, 64), Err(ProgramError::Load { at: 0, offset: 64 }));
        assert_eq!(with(0x20, 2), Err(ProgramError::Load { at: 0, offset: 2 }));
        assert_eq!(with(0x28, 0), Err(ProgramError::Operation { at: 0, code: 0x28 }));
        assert_eq!(with(0x94, 3), Err(ProgramError::Operation { at: 0, code: 0x94 }));
        assert_eq!(with(0x05, 1), Err(ProgramError::Jump { at: 0 }));
        assert_eq!(with(0x05, u32::MAX), Err(ProgramError::Jump { at: 0 }));
        assert_eq!(with(0x34, 0), Err(ProgramError::Arithmetic { at: 0, k: 0 }));
        assert_eq!(with(0x64, 32), Err(ProgramError::Arithmetic { at: 0, k: 32 }));
        assert_eq!(with(0x02, 16), Err(ProgramError::Cell { at: 0, cell: 16 }));
        assert_eq!(with(0x60, 3), Err(ProgramError::Unwritten { at: 0, cell: 3 }));
        let far = Insn::branch(Cond::Eq, 0, 0, 1);
        assert_eq!(Program::new(vec![far, RET]), Err(ProgramError::Jump { at: 0 }));
        assert!(Program::new(vec![RET; 4096]).is_ok());
        assert_eq!(Program::from_bytes(&[6; 9]), Err(ProgramError::Bytes(9)));
    }

    #[test]
    fn a_cell_must_be_written_on_every_path() {
        let store = Insn { code: 0x02, jt: 0, jf: 0, k: 1 };
        let load = Insn { code: 0x60, jt: 0, jf: 0, k: 1 };
        let skip = Insn::branch(Cond::Eq, 0, 1, 0);
        assert!(Program::new(vec![store, load, RET]).is_ok());
        let error = Err(ProgramError::Unwritten { at: 2, cell: 1 });
        assert_eq!(Program::new(vec![skip, store, load, RET]), error);
    }

    #[test]
    fn bytes_round_trip() {
        let program =
            Program::new(vec![Insn::load(4), Insn::branch(Cond::Ge, 9, 0, 0), RET]).unwrap();
        assert_eq!(Program::from_bytes(&program.to_bytes()), Ok(program));
    }
}
