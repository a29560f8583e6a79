//! Where exceptions land in a function: the call-site table that unwinding uses (Itanium C++ ABI,
//! exception handling tables).

use crate::elf::Elf;

/// Entries past these are not read.
const ENTRIES_MAX: usize = 1 << 14;

/// Start and end of the calls, and where an exception out of them lands.
pub type Landing = (u64, u64, u64);

/// The landing pads of the function at `start`, from the table at `at`.
pub fn read(elf: &Elf, start: u64, at: u64) -> Vec<Landing> {
    let Some(bytes) = elf.from(at) else { return Vec::new() };
    let mut reader = Reader { bytes, at, next: 0 };
    table(&mut reader, start).unwrap_or_default()
}

struct Reader<'data> {
    bytes: &'data [u8],
    at: u64,
    next: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.next)?;
        self.next += 1;
        Some(byte)
    }

    fn uleb(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn fixed<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let bytes = *self.bytes.get(self.next..)?.first_chunk()?;
        self.next += SIZE;
        Some(bytes)
    }

    /// A pointer in one of DWARF's encodings; indirect ones are not used here.
    fn encoded(&mut self, encoding: u8) -> Option<u64> {
        let here = self.at.wrapping_add(self.next as u64);
        let value = match encoding & 0x0f {
            0x00 | 0x04 | 0x0c => u64::from_le_bytes(self.fixed()?),
            0x01 => self.uleb()?,
            0x02 => u64::from(u16::from_le_bytes(self.fixed()?)),
            0x03 => u64::from(u32::from_le_bytes(self.fixed()?)),
            0x0b => i64::from(i32::from_le_bytes(self.fixed()?)) as u64,
            _ => return None,
        };
        Some(if encoding & 0x70 == 0x10 { here.wrapping_add(value) } else { value })
    }
}

fn table(reader: &mut Reader<'_>, start: u64) -> Option<Vec<Landing>> {
    const OMITTED: u8 = 0xff;
    let base = match reader.byte()? {
        OMITTED => start,
        encoding => reader.encoded(encoding)?,
    };
    if reader.byte()? != OMITTED {
        reader.uleb()?;
    }
    let encoding = reader.byte()?;
    let length = usize::try_from(reader.uleb()?).ok()?;
    let end = reader.next.checked_add(length)?;
    let mut found = Vec::new();
    while reader.next < end && found.len() < ENTRIES_MAX {
        let from = reader.encoded(encoding)?;
        let size = reader.encoded(encoding)?;
        let pad = reader.encoded(encoding)?;
        reader.uleb()?;
        if pad != 0 {
            let from = start.wrapping_add(from);
            found.push((from, from.saturating_add(size), base.wrapping_add(pad)));
        }
    }
    Some(found)
}
