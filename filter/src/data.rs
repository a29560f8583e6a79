//! What a filter sees of a call: the kernel's `struct seccomp_data`.

/// `__AUDIT_ARCH_64BIT` (linux/audit.h): arguments have 64 bits.
const AUDIT_64BIT: u32 = 0x8000_0000;
/// `__AUDIT_ARCH_LE`: the low half of a 64-bit field comes first.
const AUDIT_LE: u32 = 0x4000_0000;

/// How many bytes [`SeccompData`] has in the kernel, which is what `ld len` answers.
pub(crate) const SIZE: u32 = 64;
/// Where the number lies.
pub(crate) const NUMBER: u32 = 0;
/// Where the audit architecture lies.
pub(crate) const ARCH: u32 = 4;
const POINTER: u32 = 8;
const ARGS: u32 = 16;

/// One call, as a filter sees it (linux/seccomp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeccompData {
    /// The number in the register: for x32 with [`model::X32_BIT`], and 0xffffffff for -1.
    pub nr: u32,
    /// The audit architecture, `AUDIT_ARCH_X86_64`.
    pub arch: u32,
    /// The address after the system-call instruction.
    pub instruction_pointer: u64,
    /// The arguments. A 32-bit call may carry anything in the upper halves (`int 0x80` from 64-bit
    /// code does): the kernel does not use them.
    pub args: [u64; 6],
}

impl SeccompData {
    /// The 32 bits at an offset; `None` outside and where it is not aligned.
    pub(crate) fn word(&self, offset: u32) -> Option<u32> {
        if offset >= SIZE || !offset.is_multiple_of(4) {
            return None;
        }
        let field = match offset {
            NUMBER => return Some(self.nr),
            ARCH => return Some(self.arch),
            POINTER..ARGS => self.instruction_pointer,
            _ => self.args[((offset - ARGS) / 8) as usize],
        };
        let low = offset % 8 == low_first(self.arch);
        Some(if low { field as u32 } else { (field >> 32) as u32 })
    }
}

/// The place of the low half within 8 bytes: 0, or 4 on a big-endian architecture.
fn low_first(audit: u32) -> u32 {
    if audit & AUDIT_LE != 0 { 0 } else { 4 }
}

/// Where the low half of an argument lies, for calls of an audit architecture.
pub(crate) fn low(audit: u32, argument: u8) -> u32 {
    ARGS + 8 * u32::from(argument) + low_first(audit)
}

/// Where the high half of an argument lies; `None` when the architecture has no high halves.
pub(crate) fn high(audit: u32, argument: u8) -> Option<u32> {
    is_64bit(audit).then(|| ARGS + 8 * u32::from(argument) + 4 - low_first(audit))
}

/// Whether the arguments of an audit architecture have 64 bits.
pub(crate) fn is_64bit(audit: u32) -> bool {
    audit & AUDIT_64BIT != 0
}

/// A name for what lies at an offset, `arg0 low`.
pub(crate) fn field(audit: Option<u32>, offset: u32) -> String {
    // A field of 64 bits is named by its half only once the architecture is known.
    let half = match audit {
        Some(audit) if offset % 8 == low_first(audit) => " low",
        Some(_) => " high",
        None => "",
    };
    match offset {
        NUMBER => "number".to_owned(),
        ARCH => "architecture".to_owned(),
        POINTER..ARGS => format!("instruction pointer{half}"),
        _ => format!("arg{}{half}", (offset - ARGS) / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_follow_the_architecture() {
        let mut data = SeccompData {
            nr: 1,
            arch: 0xc000_003e,
            instruction_pointer: 0x1111_2222_3333_4444,
            args: [0, 0, 0, 0, 0, 0xaaaa_bbbb_cccc_dddd],
        };
        assert_eq!(data.word(low(data.arch, 5)), Some(0xcccc_dddd));
        assert_eq!(high(data.arch, 5).and_then(|at| data.word(at)), Some(0xaaaa_bbbb));
        assert_eq!(data.word(8), Some(0x3333_4444));
        data.arch = 0x8000_0016; // s390x, big-endian
        assert_eq!(data.word(low(data.arch, 5)), Some(0xcccc_dddd));
        assert_eq!(data.word(8), Some(0x1111_2222));
        assert_eq!(high(0x4000_0003, 0), None);
        assert_eq!(data.word(SIZE), None);
        assert_eq!(data.word(6), None);
    }
}
