//! What an instruction does, in the few words that the analysis needs: the interface behind which
//! each architecture's decoder stands.

mod x86;

pub use x86::X86_64;

use model::Arch;

/// A general register, by the architecture's own number.
pub type Reg = u8;

/// How many general registers a state holds.
pub const REGS: usize = 16;

/// An address in memory: `base + index * scale + displacement`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mem {
    /// A register.
    pub base: Option<Reg>,
    /// A register and what it is multiplied by.
    pub index: Option<(Reg, u8)>,
    /// Added to them; the whole address when there is no register.
    pub displacement: i64,
    /// Relative to a thread's own memory: nothing is known of it.
    pub thread: bool,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The value of a register.
    Reg(Reg),
    /// A number, which in a file of fixed addresses may be an address.
    Const(u64),
    /// Not modelled.
    Unknown,
}

/// Arithmetic that is followed for numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Addition, and of one more or not.
    AddCarry,
    /// Subtraction, and of one more or not.
    SubBorrow,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift to the left.
    Shl,
    /// Shift to the right.
    Shr,
    /// The negative of it; the other operand does not count.
    Neg,
    /// All bits of it turned around; the other operand does not count.
    Not,
}

/// A condition of a branch, as far as it bounds what was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It was larger, without signs.
    Above,
    /// It was larger or equal, without signs.
    AboveOrEqual,
    /// It was smaller, without signs.
    Below,
    /// It was smaller or equal, without signs.
    BelowOrEqual,
    /// It was equal.
    Equal,
    /// It was not equal.
    NotEqual,
    /// Any other.
    Other,
}

/// Where a call or jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dest {
    /// To an address.
    Direct(u64),
    /// To what a register holds.
    Reg(Reg),
    /// To what memory holds.
    Mem(Mem),
}

/// The instructions that enter the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// The architecture's own.
    Native,
    /// `int 0x80` and `sysenter`: i386 numbers.
    I386,
}

/// One effect of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `to = from`, of so many bytes.
    Set { to: Reg, from: Source, width: u8 },
    /// `to = from`, or not.
    Choose { to: Reg, from: Source },
    /// `to = from` in memory, or not.
    ChooseLoad { to: Reg, mem: Mem, width: u8 },
    /// `to = to op from`.
    Compute { to: Reg, what: Arithmetic, from: Source, width: u8 },
    /// `to` = the lowest bytes of `from`, so many of them, extended to the whole register.
    Extend { to: Reg, from: Reg, width: u8, signed: bool },
    /// Two registers change places, with so many bytes.
    Swap { one: Reg, other: Reg, width: u8 },
    /// `to` = memory, extended to the whole register.
    Load { to: Reg, mem: Mem, width: u8, signed: bool },
    /// Memory = `from`.
    Store { mem: Mem, from: Source, width: u8 },
    /// The word below the top of the stack = memory.
    Push { mem: Mem },
    /// `to` = the address.
    Address { to: Reg, mem: Mem },
    /// Memory is read, or also written, in a way that is not modelled.
    Touch { mem: Mem, width: u16, writes: bool },
    /// A register is read in a way that is not modelled.
    Use(Reg),
    /// A register has an unknown value now.
    Clobber(Reg),
    /// A register is compared with a number, in so many bytes.
    Compare { reg: Reg, with: u64, width: u8 },
    /// Memory is compared with a number.
    CompareMemory { mem: Mem, with: u64, width: u8 },
}

/// Where the next instruction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Behind this one.
    Next,
    /// There, or behind this one.
    Branch(u64, When),
    /// There.
    Jump(Dest),
    /// Behind this one, after a call.
    Call(Dest),
    /// With the caller.
    Return,
    /// Behind this one, after a system call.
    Kernel(Entry),
    /// Nowhere: the instruction traps.
    Stop,
}

/// The registers that a system call takes: the number, and the arguments.
#[derive(Debug, Clone, Copy)]
pub struct KernelRegs {
    /// Of which architecture the number is.
    pub arch: Arch,
    /// The number.
    pub number: Reg,
    /// The arguments.
    pub arguments: [Reg; 6],
}

/// A decoder of instructions.
pub trait Decode {
    /// Decodes the instruction at an address, adds its effects to `ops`, and answers its length and
    /// what follows it. `None` when the bytes are no instruction.
    fn decode(&mut self, bytes: &[u8], address: u64, ops: &mut Vec<Op>) -> Option<(u8, Flow)>;
}

/// The bits that a number of so many bytes has.
pub fn mask(width: u8) -> u64 {
    if width < 8 { (1 << (8 * u32::from(width))) - 1 } else { u64::MAX }
}

/// The registers of a kind of kernel entry.
pub fn kernel_regs(entry: Entry) -> KernelRegs {
    match entry {
        Entry::Native => x86::NATIVE,
        Entry::I386 => x86::I386,
    }
}

/// The stack pointer.
pub const STACK: Reg = x86::RSP;
/// Where a function's result is.
pub const RESULTS: [Reg; 2] = [x86::RAX, x86::RDX];
/// What a system call itself overwrites.
pub const KERNEL_CLOBBERS: [Reg; 3] = [x86::RAX, x86::RCX, x86::R11];
/// The registers in which the first arguments of a function are (System V ABI).
pub const ARGUMENTS: [Reg; 6] = [x86::RDI, x86::RSI, x86::RDX, x86::RCX, x86::R8, x86::R9];

/// The registers in which a called function may be given anything (System V ABI): its arguments, the
/// number of vectors among them, the frame of the function around it.
pub const PASSED: [Reg; 7] = [x86::RDI, x86::RSI, x86::RDX, x86::RCX, x86::R8, x86::R9, x86::R10];

/// The registers in which functions are followed into others: unoptimised code leaves what it hands
/// over in the register for results, too, which a called function has no use for.
pub const FOLLOWED: [Reg; 8] =
    [x86::RDI, x86::RSI, x86::RDX, x86::RCX, x86::R8, x86::R9, x86::R10, x86::RAX];

/// Whether a called function keeps the register (System V ABI).
pub fn is_kept(reg: Reg) -> bool {
    matches!(reg, x86::RBX | x86::RSP | x86::RBP | x86::R12..=x86::R15)
}
