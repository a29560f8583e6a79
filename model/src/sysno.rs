//! The identity of a system call: architecture and number.

use crate::{Arch, Call, X32_BIT};
use std::{borrow::Cow, fmt};

/// A system call: a number is a call only together with its architecture.
///
/// Any number can be held, also one that the table does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sysno {
    arch: Arch,
    number: u32,
}

impl Sysno {
    /// The call with this number; on x32 with [`X32_BIT`] in it.
    pub const fn new(arch: Arch, number: u32) -> Sysno {
        Sysno { arch, number }
    }

    /// What a seccomp filter, a listener or ptrace reports: `AUDIT_ARCH_*` and the number, of x32
    /// from [`X32_BIT`] on. `None` for architectures that the tables do not have.
    pub fn from_audit(audit_arch: u32, number: u32) -> Option<Sysno> {
        let arch = Arch::ALL.iter().copied().find(|arch| arch.audit() == audit_arch)?;
        // Negative numbers are no calls of any kind.
        let x32 = arch == Arch::X86_64 && (X32_BIT..1 << 31).contains(&number);
        let arch = if x32 { Arch::X32 } else { arch };
        Some(Sysno { arch, number })
    }

    /// The call of that name, or of that number written `#123`; `None` when `arch` lacks it.
    pub fn from_name(arch: Arch, name: &str) -> Option<Sysno> {
        let number = match name.strip_prefix('#') {
            // Only what `label` writes: no sign, no leading zeros.
            Some(digits) if digits != "0" && digits.starts_with(['0', '+']) => return None,
            Some(digits) => digits.parse().ok()?,
            None => Call::by_name(name)?.number(arch)?,
        };
        Some(Sysno { arch, number })
    }

    /// The architecture.
    pub const fn arch(self) -> Arch {
        self.arch
    }

    /// The number, as the program passes it.
    pub const fn number(self) -> u32 {
        self.number
    }

    /// The name, when the table knows it.
    pub fn name(self) -> Option<&'static str> {
        self.call().map(|call| call.name)
    }

    /// The row of the table, in the form that it has on this architecture.
    pub fn call(self) -> Option<&'static Call> {
        Call::by_number(self.arch, self.number)
    }

    /// The name, or else `#number`. [`from_name`](Sysno::from_name) reads it back.
    pub fn label(self) -> Cow<'static, str> {
        match self.name() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("#{}", self.number)),
        }
    }
}

/// The label; with `{:#}` the architecture before it, `x86_64 openat`.
impl fmt::Display for Sysno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            write!(f, "{} {}", self.arch, self.label())
        } else {
            f.pad(&self.label())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_call_only_with_its_architecture() {
        assert_eq!(Sysno::new(Arch::X86_64, 0).name(), Some("read"));
        assert_eq!(Sysno::new(Arch::I386, 0).name(), Some("restart_syscall"));
        assert_eq!(Sysno::from_audit(0x4000_0003, 102).unwrap().name(), Some("socketcall"));
        assert_eq!(Sysno::from_audit(0x1234_5678, 0), None);
    }

    #[test]
    fn x32_numbers_keep_their_bit() {
        let read = Sysno::from_audit(Arch::X86_64.audit(), X32_BIT).unwrap();
        assert_eq!((read.arch(), read.name()), (Arch::X32, Some("read")));
        assert_eq!(Sysno::from_name(Arch::X32, "read"), Some(read));
        assert_eq!(Sysno::from_audit(Arch::X86_64.audit(), u32::MAX).unwrap().arch(), Arch::X86_64);
    }

    #[test]
    fn labels_come_back() {
        for number in [0, 3, 334, 9999, u32::MAX] {
            let sysno = Sysno::new(Arch::X86_64, number);
            assert_eq!(Sysno::from_name(Arch::X86_64, &sysno.label()), Some(sysno));
        }
        for bad in ["#", "#+3", "#03", "#-1", "#4294967296", "", "openat ", "_llseek"] {
            assert_eq!(Sysno::from_name(Arch::X86_64, bad), None, "{bad}");
        }
    }

    #[test]
    fn the_long_form_names_the_architecture() {
        let sysno = Sysno::from_name(Arch::I386, "openat").unwrap();
        assert_eq!(format!("{sysno} {sysno:#}"), "openat i386 openat");
    }
}
