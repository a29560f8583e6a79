//! Machine code as it is put together, at the address at which it will lie.

use super::stub::Value;

/// The registers of a call's arguments, as an instruction names them: the bit that extends it, and the
/// rest. rdi, rsi, rdx, r10, r8, r9.
const ARGUMENTS: [(u8, u8); 6] = [(0, 7), (0, 6), (0, 2), (1, 2), (1, 0), (1, 1)];

/// Code that is being written.
#[derive(Debug)]
pub struct Code {
    address: u64,
    /// What there is so far.
    pub bytes: Vec<u8>,
}

/// A jump whose end is not known yet: where its displacement lies.
#[derive(Debug)]
pub struct Jump(usize);

/// When a jump is taken: the last byte of its `0f 8x`.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub enum If {
    /// CF
    Carry = 0x82,
    /// Not below, unsigned.
    NotBelow = 0x83,
    /// Equal.
    Equal = 0x84,
    /// Not equal.
    NotEqual = 0x85,
    /// Not above, unsigned.
    NotAbove = 0x86,
    /// Above, unsigned.
    Above = 0x87,
}

/// What is done to a bit: the last byte of its instruction. CF is what it was.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub enum Bit {
    /// Nothing.
    Test = 0xa3,
    /// It is set.
    Set = 0xab,
    /// It is cleared.
    Reset = 0xb3,
}

impl Code {
    /// Nothing yet, to lie at `address`.
    pub fn at(address: u64) -> Code {
        Code { address, bytes: Vec::new() }
    }

    /// Where the next instruction will lie.
    pub fn here(&self) -> u64 {
        self.address + self.bytes.len() as u64
    }

    /// Bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes, and an address below 2 GiB or another number behind them.
    pub fn put_with(&mut self, bytes: &[u8], number: u64) {
        self.put(bytes);
        self.put(&(number as u32).to_le_bytes());
    }

    /// A jump forward.
    pub fn jump_if(&mut self, when: If) -> Jump {
        self.put(&[0x0f, when as u8, 0, 0, 0, 0]);
        Jump(self.bytes.len() - 4)
    }

    /// A jump forward, always.
    pub fn jump(&mut self) -> Jump {
        self.put(&[0xe9, 0, 0, 0, 0]);
        Jump(self.bytes.len() - 4)
    }

    /// Here is where a jump leads.
    pub fn land(&mut self, jump: Jump) {
        let distance = (self.bytes.len() - jump.0 - 4) as u32;
        self.bytes[jump.0..jump.0 + 4].copy_from_slice(&distance.to_le_bytes());
    }

    /// A jump to an address within 2 GiB: `jmp rel32`, or `0f 8x rel32`.
    pub fn jump_near(&mut self, when: Option<If>, to: u64) {
        match when {
            Some(when) => self.put(&[0x0f, when as u8]),
            None => self.put(&[0xe9]),
        }
        let distance = to.wrapping_sub(self.here() + 4) as u32;
        self.put(&distance.to_le_bytes());
    }

    /// `jmp *0(%rip)` with the address behind it.
    pub fn jump_far(&mut self, to: u64) {
        self.put(&[0xff, 0x25, 0, 0, 0, 0]);
        self.put(&to.to_le_bytes());
    }

    /// `cmp $VALUE,REGISTER`. `None` where no comparison can test it.
    pub fn compare(&mut self, value: &Value) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(value.argument)?;
        let immediate = value.value as u32;
        if value.wide && i64::from(immediate as i32) as u64 != value.value {
            return None;
        }
        let rex = 0x40 | u8::from(value.wide) << 3 | high;
        self.put_with(&[rex, 0x81, 0xf8 | register], u64::from(immediate));
        Some(())
    }

    /// `test REGISTER,REGISTER` of an argument, all of it.
    pub fn test_argument(&mut self, argument: usize) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(argument)?;
        self.put(&[0x48 | high | high << 2, 0x85, 0xc0 | register | register << 3]);
        Some(())
    }

    /// `cmp REGISTER,REGISTER` of two arguments, all of them.
    pub fn compare_arguments(&mut self, one: usize, other: usize) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(one)?;
        let (other_high, other) = *ARGUMENTS.get(other)?;
        self.put(&[0x48 | other_high << 2 | high, 0x39, 0xc0 | other << 3 | register]);
        Some(())
    }

    /// `bt`, `bts` or `btr REGISTER,ADDRESS`: the bit of an argument's lower half.
    pub fn bit_of_argument(&mut self, bit: Bit, argument: usize, address: u64) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(argument)?;
        let rex = 0x40 | high << 2;
        self.put_with(&[rex, 0x0f, bit as u8, 0x04 | register << 3, 0x25], address);
        Some(())
    }

    /// Jumps away unless all `bits` are set in an argument's lower half; uses rcx.
    pub fn jump_unless_set(&mut self, argument: usize, bits: u32) -> Option<Jump> {
        let (high, register) = *ARGUMENTS.get(argument)?;
        // mov REGISTER,%ecx; not %ecx; test $BITS,%ecx
        self.put(&[0x40 | high << 2, 0x89, 0xc1 | register << 3, 0xf7, 0xd1]);
        self.put_with(&[0xf7, 0xc1], u64::from(bits));
        Some(self.jump_if(If::NotEqual))
    }

    /// `mov DISPLACEMENT(%rbx),REGISTER` of an argument, all of it.
    pub fn load_argument(&mut self, argument: usize, displacement: u64) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(argument)?;
        self.put_with(&[0x48 | high << 2, 0x8b, 0x83 | register << 3], displacement);
        Some(())
    }

    /// `mov REGISTER,DISPLACEMENT(%rbx)` of an argument, all of it.
    pub fn store_argument(&mut self, argument: usize, displacement: u64) -> Option<()> {
        let (high, register) = *ARGUMENTS.get(argument)?;
        self.put_with(&[0x48 | high << 2, 0x89, 0x83 | register << 3], displacement);
        Some(())
    }
}

/// Where the instructions of this code begin, which lies at `start`: it is all of instructions, and every
/// jump in it leads to one of them.
#[cfg(test)]
pub fn whole_instructions(code: &[u8], start: u64) -> Vec<u64> {
    use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic};
    let decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    let (mut starts, mut targets) = (Vec::new(), Vec::new());
    for instruction in decoder {
        assert_ne!(instruction.mnemonic(), Mnemonic::INVALID);
        starts.push(instruction.ip());
        if let FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch =
            instruction.flow_control()
        {
            targets.push(instruction.near_branch_target());
        }
    }
    assert!(targets.iter().all(|target| starts.contains(target)), "{targets:x?}");
    starts
}
