//! The architectures whose system calls the tables hold.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The bit that marks x32 numbers on x86-64 (asm/unistd.h, `__X32_SYSCALL_BIT`).
pub const X32_BIT: u32 = 0x4000_0000;

/// A system-call interface of Linux. A machine may have several: an x86-64 kernel also runs i386
/// and, rarely, x32 programs; an aarch64 kernel may run arm ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 32-bit x86, also by `int 0x80` in a 64-bit process.
    I386,
    /// 64-bit x86 with 32-bit pointers.
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, EABI.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit PowerPC, little-endian.
    Powerpc64,
    /// 64-bit IBM Z.
    S390x,
    /// 64-bit LoongArch.
    Loongarch64,
}

/// A word that names no architecture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown architecture {0:?}")]
pub struct UnknownArch(String);

impl Arch {
    /// All of them, in the order of the call table's columns.
    pub const ALL: &'static [Arch] = &[
        Arch::X86_64,
        Arch::I386,
        Arch::X32,
        Arch::Aarch64,
        Arch::Arm,
        Arch::Riscv64,
        Arch::Powerpc64,
        Arch::S390x,
        Arch::Loongarch64,
    ];

    /// As profgen writes it: `x86_64`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The architecture of that name.
    pub fn from_name(name: &str) -> Option<Arch> {
        Arch::ALL.iter().copied().find(|arch| arch.name() == name)
    }

    /// `AUDIT_ARCH_*` of linux/audit.h, which seccomp filters and ptrace see. x32 shares x86-64's.
    pub fn audit(self) -> u32 {
        self.row().1
    }

    /// As the OCI runtime specification writes it: `SCMP_ARCH_X86_64`.
    pub fn oci_name(self) -> &'static str {
        self.row().2
    }

    /// The architecture that the OCI runtime specification calls so.
    pub fn from_oci_name(name: &str) -> Option<Arch> {
        Arch::ALL.iter().copied().find(|arch| arch.oci_name() == name)
    }

    /// The one that this program was compiled for; `None` when the tables do not have it.
    pub fn native() -> Option<Arch> {
        if cfg!(all(target_arch = "x86_64", target_pointer_width = "64")) {
            Some(Arch::X86_64)
        } else if cfg!(target_arch = "x86_64") {
            Some(Arch::X32)
        } else if cfg!(target_arch = "x86") {
            Some(Arch::I386)
        } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Some(Arch::Aarch64)
        } else if cfg!(all(target_arch = "arm", target_endian = "little")) {
            Some(Arch::Arm)
        } else if cfg!(target_arch = "riscv64") {
            Some(Arch::Riscv64)
        } else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
            Some(Arch::Powerpc64)
        } else if cfg!(target_arch = "s390x") {
            Some(Arch::S390x)
        } else if cfg!(target_arch = "loongarch64") {
            Some(Arch::Loongarch64)
        } else {
            None
        }
    }

    /// Name, audit number, OCI name. The audit number is the ELF machine with `__AUDIT_ARCH_64BIT`
    /// (0x8000_0000) and `__AUDIT_ARCH_LE` (0x4000_0000).
    fn row(self) -> (&'static str, u32, &'static str) {
        match self {
            Arch::X86_64 => ("x86_64", 0xc000_003e, "SCMP_ARCH_X86_64"),
            Arch::I386 => ("i386", 0x4000_0003, "SCMP_ARCH_X86"),
            Arch::X32 => ("x32", 0xc000_003e, "SCMP_ARCH_X32"),
            Arch::Aarch64 => ("aarch64", 0xc000_00b7, "SCMP_ARCH_AARCH64"),
            Arch::Arm => ("arm", 0x4000_0028, "SCMP_ARCH_ARM"),
            Arch::Riscv64 => ("riscv64", 0xc000_00f3, "SCMP_ARCH_RISCV64"),
            Arch::Powerpc64 => ("powerpc64", 0xc000_0015, "SCMP_ARCH_PPC64LE"),
            Arch::S390x => ("s390x", 0x8000_0016, "SCMP_ARCH_S390X"),
            Arch::Loongarch64 => ("loongarch64", 0xc000_0102, "SCMP_ARCH_LOONGARCH64"),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Arch, UnknownArch> {
        Arch::from_name(name).ok_or_else(|| UnknownArch(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for &arch in Arch::ALL {
            assert_eq!(arch.name().parse(), Ok(arch));
            assert_eq!(Arch::from_oci_name(arch.oci_name()), Some(arch));
            assert_eq!(serde_json::to_string(&arch).unwrap(), format!("\"{arch}\""));
        }
        assert!("amd64".parse::<Arch>().is_err());
    }

    #[test]
    fn all_is_in_the_order_of_the_enum() {
        assert!(Arch::ALL.iter().enumerate().all(|(index, &arch)| arch as usize == index));
    }
}
