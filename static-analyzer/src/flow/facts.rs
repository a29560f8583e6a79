//! What a function does that matters outside of it.

use crate::{
    decode::{Entry, Reg},
    value::Atom,
};

/// Where a call or a jump out of the function leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// To an address of the file.
    Direct(u64),
    /// To what the word at an address holds.
    Slot(u64),
    /// To what is held at a distance from the address that a word holds.
    Field(u64, i32),
    /// To what a register held at entry.
    Entry(Reg),
    /// To wherever: not known here, but only to code whose address is taken.
    Any,
    /// Not known, and not even among the code whose address is taken.
    None,
}

/// A call, or a jump out of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The instruction.
    pub at: u64,
    /// Where it leads.
    pub target: Target,
}

/// A use of data or of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The address itself is kept, passed on or computed with: all of what is there may be used.
    Take(u64),
    /// What some bytes at an address hold is used, whatever it points to.
    Read(u64, u16),
    /// What is held at a distance from the address that a word holds is used.
    Field(u64, i32),
}

/// A write to data of which only the beginning is known, or where its address is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// To an address that an index is added to; the object there and others, so many bytes on.
    Indexed(u64, u64),
    /// At a distance from the address that a word holds.
    Through(u64, i32),
}

/// What is handed to a called function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Given {
    /// The address of code.
    Code(u64),
    /// What was in a register at entry.
    Entry(Reg),
}

/// Something that goes to a called function in a register and may be called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pass {
    /// The call.
    pub at: u64,
    /// In which register.
    pub reg: Reg,
    /// What.
    pub given: Given,
}

/// An instruction that enters the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its address.
    pub at: u64,
    /// Which.
    pub entry: Entry,
    /// Where the number comes from.
    pub number: Vec<Atom>,
    /// Where the arguments come from.
    pub arguments: [Vec<Atom>; 6],
}

/// What a function does.
#[derive(Debug, Default)]
pub struct Facts {
    /// Calls, by place.
    pub calls: Vec<Call>,
    /// Uses of data and addresses, with the first place of each.
    pub accesses: Vec<Access>,
    /// Entries into the kernel.
    pub sites: Vec<Site>,
    /// Words at fixed addresses, of 4 bytes, that it writes.
    pub stores: Vec<u64>,
    /// Other data that it writes.
    pub writes: Vec<Write>,
    /// What it hands to functions that it calls, where all of those are known.
    pub passes: Vec<Pass>,
    /// By place, the registers, as bits, in which a call hands over what may be a function that is not
    /// among those: only where there is such a one.
    pub open: Vec<(u64, u16)>,
    /// The registers, as bits, whose values at entry go where they are not followed.
    pub escapes: u16,
    /// Addresses to which it adds an index: objects begin there.
    pub named: Vec<u64>,
    /// Tables that it jumps through begin there.
    pub tables: Vec<u64>,
    /// Whether the end of one of them was not to be seen, as it was not known where others begin.
    pub unsure: bool,
    /// Code whose address it stores in memory other than its stack.
    pub kept: Vec<u64>,
    /// Addresses of bytes that are no instructions, where jumps from the described beginning of the
    /// function lead to them, and no table.
    pub invalid: Vec<u64>,
    /// Code whose address is in a register for results when it returns.
    pub returned: Vec<u64>,
    /// Where what it returns comes from.
    pub results: Vec<Atom>,
    /// Whether it may come back to its caller.
    pub returns: bool,
    /// Whether a bound was met.
    pub cut: bool,
}

impl Facts {
    /// Each fact once, in order.
    pub(super) fn finish(&mut self) {
        self.calls.sort_unstable();
        self.calls.dedup();
        self.accesses.sort_unstable();
        self.accesses.dedup();
        self.stores.sort_unstable();
        self.stores.dedup();
        self.writes.sort_unstable();
        self.writes.dedup();
        self.writes.shrink_to_fit();
        self.passes.sort_unstable();
        self.passes.dedup();
        self.passes.shrink_to_fit();
        self.open.sort_unstable();
        self.open.dedup();
        self.open.shrink_to_fit();
        self.kept.sort_unstable();
        self.kept.dedup();
        self.named.sort_unstable();
        self.named.dedup();
        self.returned.sort_unstable();
        self.returned.dedup();
        self.returned.shrink_to_fit();
        self.results.sort_unstable();
        self.results.dedup();
        self.results.shrink_to_fit();
        self.named.shrink_to_fit();
        self.calls.shrink_to_fit();
        self.accesses.shrink_to_fit();
        self.stores.shrink_to_fit();
    }
}
