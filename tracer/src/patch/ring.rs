//! The calls with paths that passed: each left a record in the memory of its process, which is read
//! before anything changes that it depends on.

use super::{
    area::{self, RING, RING_SIZE},
    memory::write_data,
};
use crate::{
    observe::{Before, Since, Stat},
    plan::{Plan, Special},
};
use supervisor::memory;

/// So far calls that only look may fill the ring; those that change a name go on to its end. A full ring can
/// be read while its process goes on, if the call that found it full changes nothing.
pub const ROOM: u64 = RING_SIZE - 64 * RECORD;
/// A record has this many bytes.
pub const RECORD: u64 = 0x100;
/// Which stub made it: block * VARIANTS + variant, and the flags below.
pub const ID: u64 = 0;
/// rbx as it was: it holds the record's place meanwhile.
pub const OLD_RBX: u64 = 8;
/// Where the program goes on.
pub const RETURN: u64 = 16;
/// What the kernel answered.
pub const RESULT: u64 = 24;
/// The six arguments.
pub const ARGUMENTS: u64 = 32;
/// The mode of what was there before the call, or 0, where that was looked at; or that which the call says.
pub const LOOKED: u64 = 80;
/// The user and the group that the call says: in place of an argument that no such call has.
pub const OWNERS: u64 = ARGUMENTS + 8 * 5;
/// The path, with its NUL.
pub const PATH: u64 = 88;
/// How many bytes of it there is room for.
pub const PATH_SIZE: u64 = RECORD - PATH;
/// Its call has not returned, or its path is not there yet.
pub const UNFINISHED: u32 = 1 << 31;
/// The descriptor that its path is relative to was opened by an earlier record.
pub const BELOW_OPENED: u32 = 1 << 30;
/// Its result is a descriptor.
pub const OPENS: u32 = 1 << 29;
/// It was looked at what was there before.
pub const LOOKS: u32 = 1 << 28;
/// It removes a name.
pub const REMOVES: u32 = 1 << 27;
/// It says what a file is: what it wrote is kept.
pub const STATS: u32 = 1 << 26;
const FLAGS: u32 = UNFINISHED | BELOW_OPENED | OPENS | LOOKS | REMOVES | STATS;

/// A record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The records in what was read of the ring.
    pub fn all(bytes: &'a [u8]) -> impl Iterator<Item = Record<'a>> {
        bytes.chunks_exact(RECORD as usize).map(Record)
    }

    fn word(self, at: u64) -> u64 {
        let bytes = self.0.get(at as usize..at as usize + 8);
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// The block and variant of its stub, once it is finished.
    pub fn owner(self) -> Option<(usize, usize)> {
        let id = self.word(ID) as u32;
        (id & UNFINISHED == 0).then_some(owner(id))
    }

    /// Whether an earlier record opened the descriptor that its path is relative to.
    pub fn is_below_opened(self) -> bool {
        self.word(ID) as u32 & BELOW_OPENED != 0
    }

    /// The last component of what it removed; nothing where it may have, but that is not known yet.
    fn removed(self) -> Option<&'a [u8]> {
        let id = self.word(ID) as u32;
        let name = || self.path().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        match (id & REMOVES != 0, id & UNFINISHED != 0) {
            (false, _) => None,
            (_, true) => Some(&[]),
            _ => (self.result() == 0).then(name),
        }
    }

    /// Whether it removed a name.
    pub fn removes(self) -> bool {
        self.removed().is_some()
    }

    /// Whether its result is a descriptor.
    pub fn opens(self) -> bool {
        self.word(ID) as u32 & OPENS != 0
    }

    /// What was there before the call, where that was looked at.
    pub fn before(self) -> Option<Before> {
        let is_there = self.word(LOOKED) as u32 != 0;
        (self.word(ID) as u32 & LOOKS != 0).then_some(if is_there {
            Before::File
        } else {
            Before::Absent
        })
    }

    /// What the call itself said of the file.
    pub fn stat(self) -> Option<Stat> {
        let says = self.word(ID) as u32 & STATS != 0 && self.result() == 0;
        let owners = self.word(OWNERS);
        let (user, group) = (owners as u32, (owners >> 32) as u32);
        says.then_some(Stat { mode: self.word(LOOKED) as u32, user, group })
    }

    /// The arguments.
    pub fn arguments(self) -> [u64; 6] {
        std::array::from_fn(|index| self.word(ARGUMENTS + 8 * index as u64))
    }

    /// The kernel's answer.
    pub fn result(self) -> i64 {
        self.word(RESULT) as i64
    }

    /// The path.
    pub fn path(self) -> &'a [u8] {
        let path = self.0.get(PATH as usize..).unwrap_or_default();
        path.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// The records behind one.
#[derive(Debug)]
pub struct Behind<'a> {
    /// Those that were read with it.
    pub bytes: &'a [u8],
    /// Whose they are, and from where on there may be more in the ring.
    pub more: (i32, u64),
}

impl Since for Behind<'_> {
    fn removes(&self, name: &[u8]) -> bool {
        let is_it = |record: Record| record.removed().is_some_and(|n| n.is_empty() || n == name);
        let (tid, from) = self.more;
        Record::all(self.bytes).any(is_it)
            || matches!(since(tid, from), Ok(Some((_, bytes))) if Record::all(&bytes).any(is_it))
    }
}

fn owner(id: u32) -> (usize, usize) {
    let id = (id & !FLAGS) as usize;
    (id / area::VARIANTS as usize, id % area::VARIANTS as usize)
}

/// What a stub writes into a record to say whose it is.
pub fn id(block: usize, variant: usize) -> u32 {
    (block as u64 * area::VARIANTS + variant as u64) as u32 | UNFINISHED
}

/// How many bytes of the ring are in use. `None` when that cannot be: the program wrote there.
pub fn head(tid: i32) -> nix::Result<Option<u64>> {
    let head = memory::read_u64(tid, area::HEAD)?;
    Ok(is_place(head).then_some(head))
}

/// So many records are read with the ring's head: as many as there mostly are.
const GUESS: u64 = 8;

/// The records of the ring from `read` on, and where it ends. `None` when that cannot be: the program wrote
/// there.
pub fn since(tid: i32, read: u64) -> nix::Result<Option<(u64, Vec<u8>)>> {
    let guess = (GUESS * RECORD).min(RING_SIZE.saturating_sub(read));
    let (mut head, mut bytes) = ([0; 8], vec![0; guess as usize]);
    memory::read_both(tid, (area::HEAD, &mut head), (RING + read, &mut bytes))?;
    let head = u64::from_le_bytes(head);
    if !is_place(head) || head < read {
        return Ok(None);
    }
    bytes.resize((head - read) as usize, 0);
    if head - read > guess {
        memory::read(tid, RING + read + guess, &mut bytes[guess as usize..])?;
    }
    Ok(Some((head, bytes)))
}

const BITS_SIZE: usize = area::DESCRIPTORS as usize / 8;

/// What is known of the first descriptors, as a ring that is emptied begins with it.
#[derive(Debug)]
pub struct Bits {
    meant: [u8; BITS_SIZE],
    opened: [u8; BITS_SIZE],
}

impl Default for Bits {
    fn default() -> Bits {
        Bits { meant: [0; BITS_SIZE], opened: [0; BITS_SIZE] }
    }
}

impl Bits {
    /// Reads them.
    pub fn read(tid: i32) -> Option<Bits> {
        let mut bits = Bits::default();
        let Bits { meant, opened } = &mut bits;
        memory::read_both(tid, (area::MEANT, meant), (area::OPENED, opened)).ok()?;
        Some(bits)
    }

    /// Nothing is meant any more, and `descriptor` is not what a record opened. Whether it was meant.
    pub fn end(&mut self, descriptor: i32) -> bool {
        let meant = std::mem::replace(&mut self.meant, [0; BITS_SIZE]);
        let Ok(at) = usize::try_from(descriptor) else { return false };
        let bit = 1 << (at % 8);
        if let Some(byte) = self.opened.get_mut(at / 8) {
            *byte &= !bit;
        }
        meant.get(at / 8).is_some_and(|byte| byte & bit != 0)
    }

    /// Writes them, and that no bytes of the ring are in use.
    pub fn write(&self, tid: i32) {
        let mut bytes = [0; (area::MEANT - area::HEAD) as usize + 2 * BITS_SIZE];
        let (_, bits) = bytes.split_at_mut((area::MEANT - area::HEAD) as usize);
        let (meant, opened) = bits.split_at_mut(BITS_SIZE);
        meant.copy_from_slice(&self.meant);
        opened.copy_from_slice(&self.opened);
        // Where that fails the process is gone.
        let _ = write_data(tid, area::HEAD, &bytes);
    }
}

/// Whether a record can begin, or the ring end, so far in it.
pub fn is_place(offset: u64) -> bool {
    offset <= RING_SIZE && offset.is_multiple_of(RECORD)
}

/// What of one record a thread needs that is taken out of its stub.
#[derive(Debug, Clone, Copy)]
pub struct Saved {
    /// Its stub.
    pub owner: (usize, usize),
    /// rbx as it was.
    pub rbx: u64,
    /// The kernel's answer, where it is there already.
    pub result: i64,
    /// The arguments, where they are.
    pub arguments: [u64; 6],
    /// What was there before, where that was looked at.
    pub before: Option<Before>,
}

/// Reads it, from the record at `offset`.
pub fn saved(tid: i32, offset: u64) -> Option<Saved> {
    if !is_place(offset) || offset == RING_SIZE {
        return None;
    }
    let mut bytes = [0; PATH as usize];
    memory::read(tid, RING + offset, &mut bytes).ok()?;
    let record = Record(&bytes);
    let owner = owner(record.word(ID) as u32);
    Some(Saved {
        owner,
        rbx: record.word(OLD_RBX),
        result: record.result(),
        arguments: record.arguments(),
        before: record.before(),
    })
}

/// What the record of a call depends on that another call changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Nothing: the records of its own process stay as they are.
    Nothing,
    /// What its own process is at: those are read before it is made.
    Own,
    /// The files themselves: the records of all processes are read before it is made.
    All,
}

/// Calls that make, change or end the process that makes them, and nothing that others name.
const OF_THE_CALLER: [&str; 8] =
    ["clone", "clone3", "execve", "execveat", "exit", "exit_group", "fork", "vfork"];

/// Calls that change nothing that a record depends on.
const OF_NO_FILE: [&str; 11] = [
    "getrlimit",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "prlimit64",
    "rt_sigreturn",
    "sched_getaffinity",
    "setpgid",
    "setrlimit",
    "setsid",
];

impl Reads {
    /// What is to be read before a call that stopped.
    pub fn before(plan: &Plan, args: &[u64; 6]) -> Reads {
        match plan.sysno.name() {
            _ if plan.ends().is_some() => Reads::Own,
            Some(name) if OF_THE_CALLER.contains(&name) => Reads::Own,
            _ if plan.special == Special::ChangesCredentials => Reads::Own,
            Some(name) if OF_NO_FILE.contains(&name) => Reads::Nothing,
            _ if plan.is_plain() => Reads::Nothing,
            _ if plan.names(args).is_some_and(|named| named.change.is_none()) => Reads::Nothing,
            _ => Reads::All,
        }
    }
}
