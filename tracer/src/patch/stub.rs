//! The code of a stub: what a site's calls do instead of stopping.
//!
//! ```text
//!         the instructions of the site from the replaced one to the call
//! test:   cmp  $NUMBER,%eax           another call?
//!         jne  miss
//!         cmp  $VALUE,%esi            a value that was not seen here yet?
//!         jne  miss
//!         cmp  $63,%edi               nor one that is one of several?
//!         ja   miss
//!         bt   %edi,CHOICE
//!         jnc  miss
//!         lea  (%rdi,%rsi),%rcx       does it map over what was rewritten?
//!         cmp  TAKEN,%rcx             (for each of the ranges)
//!         jbe  1f
//!         cmp  TAKEN+8,%rdi
//!         jb   original
//! 1:
//!         cmpb $0,CLOSED              does everything stop?
//!         jne  original
//!         lock incq COUNTER
//!         syscall                     the filter lets it pass
//!         jmp  *return                after the site's own call
//! miss:   jmp  test of the stub before it, or original
//! original:
//!         jmp  *call                  to the site's own syscall instruction, which stops
//! ```
//!
//! It uses no stack and no register but the flags, which are dead there (`site.rs` proves it).
//!
//! A call that looks at a path does not count, but leaves a record in the ring (`ring.rs`). It uses rcx
//! and r11, which the call destroys anyway, and rbx, which it gives back:
//!
//! ```text
//!         test %rsi,%rsi              no path at all?
//!         je   original
//!         cmp  %rdx,%rsi              or is what it sees written over it?
//!         je   original
//!         mov  HEAD,%ecx              is there room?
//!         cmp  $ROOM,%ecx
//!         jae  original
//!         mov  %rbx,OLD_RBX(%rcx)
//!         movl $ID|UNFINISHED,ID(%rcx)
//!         cmp  $AT_FDCWD,%edi         relative to a descriptor,
//!         je   2f
//!         cmp  $1023,%edi
//!         ja   original
//!         bt   %edi,OPENED            which an earlier record opened?
//!         jc   1f
//!         bts  %edi,MEANT             if not, closing it stops
//!         jmp  2f
//! 1:      orl  $BELOW_OPENED,ID(%rcx)
//! 2:
//!         mov  %ecx,%ebx
//!         add  $RECORD,%ecx
//!         mov  %ecx,HEAD
//!         movq $3f,RETURN(%rbx)       does it make or remove a name?
//!         jmp  look                   (`look.rs`)
//!         jmp  original
//! 3:
//!         syscall
//!         mov  $return,%rcx
//!         jmp  tail                   (`tail.rs`)
//! ```

use super::{
    area,
    code::{Bit, Code, If, Jump},
    look, ring, tail,
};
use crate::plan::{Change, Named, OWNERS};
use std::ops::Range;

/// Where in a stub the bits of its choice lie.
pub const CHOICE: u64 = area::VARIANT_SIZE - 8;

/// A value that an argument must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// Which argument of the call.
    pub argument: usize,
    /// Whether all 64 bits count, or the lower half.
    pub wide: bool,
    /// What it must be.
    pub value: u64,
}

/// A sort of call that passes: all that is known of it is known already, or is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The number of the call.
    pub number: u32,
    /// The arguments that are evidence.
    pub values: Vec<Value>,
    /// One more that is.
    pub choice: Option<Choice>,
    /// It may change what is mapped: nothing that was rewritten may lie in its range.
    pub clears: bool,
    /// What becomes of it.
    pub manner: Manner,
}

impl Sort {
    /// One that only these values make.
    pub fn new(number: u32, values: Vec<Value>, manner: Manner) -> Sort {
        Sort { number, values, choice: None, clears: false, manner }
    }

    /// Whether a stub for this sort can be one for another one too, but for the values of its choice.
    pub fn is_like(&self, other: &Sort) -> bool {
        let among = |choice: &Choice| (choice.argument, choice.wide);
        self.choice.as_ref().map(among) == other.choice.as_ref().map(among)
            && (self.number, self.clears, &self.values, self.manner)
                == (other.number, other.clears, &other.values, other.manner)
    }

    /// The same, with the values of the choice of one that is like it; `None` when it has them all.
    pub fn with(&self, other: &Sort) -> Option<Sort> {
        let (own, of) = (self.choice.as_ref()?, other.choice.as_ref()?.of);
        let choice = Choice { of: own.of | of, ..*own };
        (choice != *own).then(|| Sort { choice: Some(choice), ..self.clone() })
    }

    /// Whether files are removed by it.
    pub fn removes(&self) -> bool {
        let removes = |named: &Named| matches!(named.change, Some((Change::Removes, _)));
        matches!(&self.manner, Manner::Names(named) if removes(named))
    }
}

/// An argument that must have one of several values, all below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which argument of the call.
    pub argument: usize,
    /// Whether all 64 bits count, or the lower half.
    pub wide: bool,
    /// A bit for each value.
    pub of: u64,
}

/// What a stub does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Counts it.
    Counts,
    /// Counts it, unless the descriptor that it ends is meant by a record: then it stops.
    Ends {
        /// The argument with the descriptor.
        descriptor: usize,
    },
    /// Records it with its path.
    Names(Named),
    /// Counts it, when it gives a file to whom it belongs; holds a record while it looks at that.
    Gives,
    /// Counts it, unless a record opened the descriptor that it copies: then it is recorded too.
    Copies {
        /// The argument with the descriptor.
        descriptor: usize,
    },
    /// Records it, while an image is being loaded, when a record opened the file whose code it maps.
    Maps {
        /// The argument with its descriptor.
        descriptor: usize,
    },
}

impl Manner {
    /// Whether it takes a record of the ring each time.
    pub fn takes_records(self) -> bool {
        matches!(self, Manner::Names(_) | Manner::Gives | Manner::Maps { .. })
    }

    /// What the three bytes from [`area::CLOSED`] on must be for it to pass.
    fn asks_of_closed(self) -> u32 {
        if matches!(self, Manner::Maps { .. }) { 1 << 16 } else { 0 }
    }
}

/// One instruction that moved into the stub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where it was.
    pub address: u64,
    /// Its bytes, the same everywhere.
    pub bytes: Vec<u8>,
}

/// Where a thread that stands in a stub would stand without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The address in the program's own code.
    pub address: u64,
    /// A call was counted that has not been made.
    pub counted: bool,
}

/// A stub that is ready to be written.
#[derive(Debug, Clone)]
pub struct Stub {
    /// Its bytes.
    pub code: Vec<u8>,
    /// Where each of the moved instructions begins in it, and where it was.
    moved: Vec<(u64, u64)>,
    /// Where the tests begin.
    test: u64,
    ways: Ways,
}

/// The ways through a stub.
#[derive(Debug, Clone)]
struct Ways {
    /// The site's own call.
    call: u64,
    /// On which it is counted.
    counts: Option<Way>,
    /// On which it is recorded, and from where on rbx has the place of the record.
    records: Option<(Taken, Way)>,
}

/// Where a stub has taken a record.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: u64,
    /// The jump at which it was given back.
    refused: Option<u64>,
}

/// The call that passes, and what follows it.
#[derive(Debug, Clone)]
struct Way {
    /// The system-call instruction.
    syscall: u64,
    /// The way back.
    back: Range<u64>,
}

impl Ways {
    fn counts(&mut self, code: &mut Code, counter: u64) {
        // lock incq COUNTER
        code.put_with(&[0xf0, 0x48, 0xff, 0x04, 0x25], counter);
        let syscall = code.here();
        code.put(&[0x0f, 0x05]);
        let back = code.here();
        code.jump_far(self.call + 2);
        self.counts = Some(Way { syscall, back: back..code.here() });
    }

    /// `take`: takes the place of the record.
    fn records(
        &mut self,
        code: &mut Code,
        path: Option<usize>,
        take: impl FnOnce(&mut Code) -> Option<Taken>,
    ) -> Option<()> {
        let takes = take(code)?;
        let syscall = code.here();
        code.put(&[0x0f, 0x05]);
        let back = code.here();
        // movabs $RETURN,%rcx
        code.put(&[0x48, 0xb9]);
        code.put(&(self.call + 2).to_le_bytes());
        code.jump_near(None, tail::address(path)?);
        self.records = Some((takes, Way { syscall, back: back..code.here() }));
        Some(())
    }
}

impl Stub {
    /// The stub of a site for its `variant`th sort of call. `call`: where the site's own call is.
    /// `None` when it does not fit, or tests what a comparison cannot.
    pub fn new(
        block: usize,
        variant: usize,
        moved: &[Moved],
        call: u64,
        sort: &Sort,
    ) -> Option<Stub> {
        let address = area::stub(block, variant);
        let mut code = Code::at(address);
        let mut places = Vec::new();
        for instruction in moved {
            places.push((code.here(), instruction.address));
            code.put(&instruction.bytes);
        }
        let test = code.here();
        // cmp $NUMBER,%eax
        code.put_with(&[0x3d], u64::from(sort.number));
        let mut misses = vec![code.jump_if(If::NotEqual)];
        for value in &sort.values {
            code.compare(value)?;
            misses.push(code.jump_if(If::NotEqual));
        }
        if let Some(choice) = sort.choice {
            let Choice { argument, wide, .. } = choice;
            let last = Value { argument, wide, value: 63 };
            code.compare(&last)?;
            misses.push(code.jump_if(If::Above));
            code.bit_of_argument(Bit::Test, argument, address + CHOICE)?;
            misses.push(code.jump_if(If::NotBelow));
        }
        let mut stops = Vec::new();
        if sort.clears && !matches!(sort.manner, Manner::Maps { .. }) {
            clears(&mut code, &mut stops);
        }
        if let Manner::Ends { descriptor } = sort.manner {
            spare_what_is_meant(&mut code, descriptor, &mut stops)?;
        }
        compare_closed(&mut code, sort.manner);
        stops.push(code.jump_if(If::NotEqual));
        let mut ways = Ways { call, counts: None, records: None };
        let id = (block, variant);
        match sort.manner {
            Manner::Names(named) => {
                let take = |code: &mut Code| begin_named(code, id, named, &mut stops);
                ways.records(&mut code, Some(named.path), take)?;
            }
            Manner::Copies { descriptor } => {
                let mut others = Vec::new();
                let take =
                    |code: &mut Code| begin_copy(code, id, descriptor, &mut others, &mut stops);
                ways.records(&mut code, None, take)?;
                for other in others {
                    code.land(other);
                }
                ways.counts(&mut code, area::counter(block, variant));
            }
            Manner::Gives => {
                begin_record(&mut code, ring::id(block, variant), area::RING_SIZE, &mut stops);
                let at = take_record(&mut code);
                let refused = begin_look(&mut code, (0, Change::Gives), &mut stops)?;
                // Behind it no record is held.
                let way = Way { syscall: u64::MAX, back: refused..refused };
                ways.records = Some((Taken { at, refused: Some(refused) }, way));
                ways.counts(&mut code, area::counter(block, variant));
            }
            Manner::Maps { descriptor } => {
                let take = |code: &mut Code| begin_mapping(code, id, descriptor, &mut stops);
                ways.records(&mut code, None, take)?;
            }
            Manner::Counts | Manner::Ends { .. } => {
                ways.counts(&mut code, area::counter(block, variant));
            }
        }
        for miss in misses {
            code.land(miss);
        }
        if variant > 0 {
            // The moved instructions are the same, and so the tests begin at the same place.
            code.jump_near(None, area::stub(block, variant - 1) + (test - address));
        }
        for stop in stops {
            code.land(stop);
        }
        code.jump_far(call);
        let mut code = code.bytes;
        if let Some(choice) = sort.choice {
            if code.len() as u64 > CHOICE {
                return None;
            }
            code.resize(CHOICE as usize, 0);
            code.extend(choice.of.to_le_bytes());
        }
        let fits = code.len() as u64 <= area::VARIANT_SIZE;
        fits.then_some(Stub { code, moved: places, test, ways })
    }

    /// Whether a thread at `address` holds the place of a record in rbx; and whether it has made its
    /// call.
    pub fn records_at(&self, address: u64) -> Option<bool> {
        let (taken, way) = self.ways.records.as_ref()?;
        let holds = (taken.at..way.back.end).contains(&address) && taken.refused != Some(address);
        holds.then_some(address > way.syscall)
    }

    /// Where a thread at `address` in this stub would stand without it.
    pub fn place(&self, address: u64) -> Place {
        let Ways { call, counts, records } = &self.ways;
        if address < self.test {
            let at = self.moved.iter().rev().find(|(stub, _)| *stub <= address);
            let address = at.map_or(*call, |(_, original)| *original);
            return Place { address, counted: false };
        }
        if counts.as_ref().is_some_and(|way| way.syscall == address) {
            return Place { address: *call, counted: true };
        }
        let recorded = records.as_ref().map(|(_, way)| way);
        let after = |way: &Way| way.back.contains(&address);
        let after = counts.as_ref().is_some_and(after) || recorded.is_some_and(after);
        Place { address: if after { call + 2 } else { *call }, counted: false }
    }

    /// Whether a call whose next instruction is at `address` was made by this stub.
    #[cfg(test)]
    pub fn calls_before(&self, address: u64) -> bool {
        self.ways.counts.as_ref().is_some_and(|way| way.back.start == address)
    }
}

/// Whether everything stops that passes in this manner: equal where it does not.
fn compare_closed(code: &mut Code, manner: Manner) {
    let value = manner.asks_of_closed();
    if value != 0 {
        // cmpl $VALUE,CLOSED
        code.put_with(&[0x81, 0x3c, 0x25], area::CLOSED);
        code.put(&value.to_le_bytes());
    } else {
        // cmpb $0,CLOSED, or cmpw with the byte behind it
        let compare: &[u8] = if manner.takes_records() { &[0x66, 0x83] } else { &[0x80] };
        code.put_with(&[compare, &[0x3c, 0x25]].concat(), area::CLOSED);
        code.put(&[0]);
    }
}

/// Goes to the site's own call when the range that arguments 0 and 1 are touches what was rewritten, or has no
/// end.
pub fn clears(code: &mut Code, stops: &mut Vec<Jump>) {
    // lea (%rdi,%rsi),%rcx; cmp %rdi,%rcx
    code.put(&[0x48, 0x8d, 0x0c, 0x37, 0x48, 0x39, 0xf9]);
    stops.push(code.jump_if(If::Carry));
    for at in (0..area::TAKEN_MAX as u64).map(|index| area::TAKEN + 16 * index) {
        // cmp START,%rcx; jbe over; cmp END,%rdi; jb original
        code.put_with(&[0x48, 0x3b, 0x0c, 0x25], at);
        let is_below = code.jump_if(If::NotAbove);
        code.put_with(&[0x48, 0x3b, 0x3c, 0x25], at + 8);
        stops.push(code.jump_if(If::Carry));
        code.land(is_below);
    }
}

/// The bits are those of the first descriptors.
fn compare_with_last_bit(code: &mut Code, argument: usize) -> Option<()> {
    code.compare(&Value { argument, wide: false, value: u64::from(area::DESCRIPTORS) - 1 })
}

/// Goes elsewhere unless an earlier record opened the descriptor of an argument.
fn leave_unless_opened(code: &mut Code, argument: usize, others: &mut Vec<Jump>) -> Option<()> {
    compare_with_last_bit(code, argument)?;
    others.push(code.jump_if(If::Above));
    code.bit_of_argument(Bit::Test, argument, area::OPENED)?;
    others.push(code.jump_if(If::NotBelow));
    Some(())
}

/// Goes to the site's own call when a record means the descriptor of an argument; else that is no longer
/// what a record opened.
fn spare_what_is_meant(code: &mut Code, argument: usize, stops: &mut Vec<Jump>) -> Option<()> {
    compare_with_last_bit(code, argument)?;
    let has_none = code.jump_if(If::Above);
    code.bit_of_argument(Bit::Test, argument, area::MEANT)?;
    stops.push(code.jump_if(If::Carry));
    code.bit_of_argument(Bit::Reset, argument, area::OPENED)?;
    code.land(has_none);
    Some(())
}

/// Says that a record, at %rcx, means the descriptor of an argument, or that an earlier one opened it. One
/// without a bit is not recorded.
fn mean(code: &mut Code, argument: usize, stops: &mut Vec<Jump>) -> Option<()> {
    code.compare(&Value { argument, wide: false, value: u64::from(libc::AT_FDCWD as u32) })?;
    let is_none = code.jump_if(If::Equal);
    compare_with_last_bit(code, argument)?;
    stops.push(code.jump_if(If::Above));
    code.bit_of_argument(Bit::Test, argument, area::OPENED)?;
    let is_opened = code.jump_if(If::Carry);
    code.bit_of_argument(Bit::Set, argument, area::MEANT)?;
    let is_meant = code.jump();
    code.land(is_opened);
    // orl $BELOW_OPENED,ID(%rcx)
    code.put_with(&[0x81, 0x89], area::RING + ring::ID);
    code.put(&ring::BELOW_OPENED.to_le_bytes());
    code.land(is_meant);
    code.land(is_none);
    Some(())
}

/// Takes the next record of the ring for a call that names a file. Where rbx has its place.
fn begin_named(
    code: &mut Code,
    (block, variant): (usize, usize),
    named: Named,
    stops: &mut Vec<Jump>,
) -> Option<Taken> {
    // Some calls name what a descriptor is by no path at all.
    code.test_argument(named.path)?;
    stops.push(code.jump_if(If::Equal));
    // And some write over it, before it is read for the record.
    if let Some(output) = named.output {
        code.compare_arguments(named.path, output)?;
        stops.push(code.jump_if(If::Equal));
    }
    if let Some((_, Some(mode))) = named.change {
        stops.push(code.jump_unless_set(mode, OWNERS as u32)?);
    }
    let opens = if named.opens { ring::OPENS } else { 0 };
    let stats = if named.stats { ring::STATS } else { 0 };
    let looks = match named.change {
        Some((Change::Removes, _)) => ring::LOOKS | ring::REMOVES,
        Some(_) => ring::LOOKS,
        None => 0,
    };
    let room = if named.change.is_some() { area::RING_SIZE } else { ring::ROOM };
    begin_record(code, ring::id(block, variant) | opens | stats | looks, room, stops);
    if let Some(base) = named.base {
        mean(code, base, stops)?;
    }
    let at = take_record(code);
    let Some((change, _)) = named.change else { return Some(Taken { at, refused: None }) };
    let refused = begin_look(code, (named.path, change), stops)?;
    Some(Taken { at, refused: Some(refused) })
}

/// Looks at what is there, and comes back here, or goes to the site's own call. Where the jump to that lies.
fn begin_look(code: &mut Code, kind: (usize, Change), stops: &mut Vec<Jump>) -> Option<u64> {
    // movq $LOOKED,RETURN(%rbx); jmp look
    code.put_with(&[0x48, 0xc7, 0x83], area::RING + ring::RETURN);
    let looked = code.here() + 4 + 5 + look::REFUSED;
    code.put(&(looked as u32).to_le_bytes());
    code.jump_near(None, look::address(kind)?);
    let refused = code.here();
    stops.push(code.jump());
    Some(refused)
}

/// The same for one that copies a descriptor, when an earlier record opened it.
fn begin_copy(
    code: &mut Code,
    (block, variant): (usize, usize),
    descriptor: usize,
    others: &mut Vec<Jump>,
    stops: &mut Vec<Jump>,
) -> Option<Taken> {
    leave_unless_opened(code, descriptor, others)?;
    begin_record(
        code,
        ring::id(block, variant) | ring::OPENS | ring::BELOW_OPENED,
        ring::ROOM,
        stops,
    );
    Some(Taken { at: take_record(code), refused: None })
}

/// The same for one that maps the code of a file, when an earlier record opened it; it looks at what is there.
fn begin_mapping(
    code: &mut Code,
    (block, variant): (usize, usize),
    descriptor: usize,
    stops: &mut Vec<Jump>,
) -> Option<Taken> {
    leave_unless_opened(code, descriptor, stops)?;
    begin_record(code, ring::id(block, variant) | ring::BELOW_OPENED, ring::ROOM, stops);
    let at = take_record(code);
    let refused = begin_look(code, (0, Change::Maps), stops)?;
    Some(Taken { at, refused: Some(refused) })
}

fn begin_record(code: &mut Code, id: u32, room: u64, stops: &mut Vec<Jump>) {
    // mov HEAD,%ecx; cmp $ROOM,%ecx
    code.put_with(&[0x8b, 0x0c, 0x25], area::HEAD);
    code.put_with(&[0x81, 0xf9], room);
    stops.push(code.jump_if(If::NotBelow));
    // mov %rbx,OLD_RBX(%rcx)
    code.put_with(&[0x48, 0x89, 0x99], area::RING + ring::OLD_RBX);
    // movl $ID,ID(%rcx)
    code.put_with(&[0xc7, 0x81], area::RING + ring::ID);
    code.put(&id.to_le_bytes());
}

fn take_record(code: &mut Code) -> u64 {
    // mov %ecx,%ebx
    code.put(&[0x89, 0xcb]);
    let takes = code.here();
    // add $RECORD,%ecx; mov %ecx,HEAD
    code.put_with(&[0x81, 0xc1], ring::RECORD);
    code.put_with(&[0x89, 0x0c, 0x25], area::HEAD);
    takes
}

#[cfg(test)]
mod tests {
    use super::*;
    use iced_x86::{Decoder, DecoderOptions, Mnemonic};

    const CALL: u64 = 0x7fff_1234_5678;

    fn read() -> Stub {
        let moved = [Moved { address: CALL - 2, bytes: vec![0x31, 0xc0] }];
        let sort = Sort::new(0, Vec::new(), Manner::Counts);
        Stub::new(3, 1, &moved, CALL, &sort).unwrap()
    }

    #[test]
    fn a_stub_is_what_its_picture_says() {
        let stub = read();
        let decoder =
            Decoder::with_ip(64, &stub.code, area::stub(3, 1), DecoderOptions::NONE).into_iter();
        let mnemonics: Vec<Mnemonic> = decoder.take(8).map(|i| i.mnemonic()).collect();
        use Mnemonic::{Cmp, Inc, Jmp, Jne, Syscall, Xor};
        assert_eq!(mnemonics, [Xor, Cmp, Jne, Cmp, Jne, Inc, Syscall, Jmp]);
        assert!(stub.calls_before(stub.ways.counts.as_ref().unwrap().syscall + 2));
    }

    #[test]
    fn a_thread_in_a_stub_is_put_where_it_would_be() {
        let (stub, start) = (read(), area::stub(3, 1));
        let place = |address| stub.place(address);
        assert_eq!(place(start), Place { address: CALL - 2, counted: false });
        assert_eq!(place(start + 2), Place { address: CALL, counted: false });
        let Way { syscall, back } = stub.ways.counts.clone().unwrap();
        assert_eq!(place(syscall), Place { address: CALL, counted: true });
        assert_eq!(place(syscall + 2), Place { address: CALL + 2, counted: false });
        assert_eq!(place(back.end), Place { address: CALL, counted: false });
    }

    #[test]
    fn what_no_comparison_can_test_has_no_stub() {
        let value = |wide, value| Value { argument: 1, wide, value };
        let sort = |value| Sort::new(1, vec![value], Manner::Counts);
        let made = |value| Stub::new(0, 0, &[], CALL, &sort(value)).is_some();
        assert!(made(value(false, 0xffff_ffff)) && made(value(true, u64::MAX)));
        assert!(!made(value(true, 0xffff_ffff)));
    }
}
