//! Calls that are made without a call site in the program: by the kernel, or by the vDSO. The rows
//! are in `data/implied.tsv`.

use crate::{Arch, Call, Sysno};

include!(concat!(env!("OUT_DIR"), "/implied.rs"));

/// The calls that any program of an architecture may make unseen, each with the reason.
pub fn implied(arch: Arch) -> impl Iterator<Item = (Sysno, &'static str)> {
    IMPLIED.iter().filter_map(move |(name, arches, reason)| {
        let number = Call::by_name(name)?.number(arch)?;
        (arches & 1 << arch as u16 != 0).then_some((Sysno::new(arch, number), *reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_architecture_has_what_its_vdso_has() {
        let names = |arch| implied(arch).filter_map(|(sysno, _)| sysno.name()).collect::<Vec<_>>();
        let x86_64 = names(Arch::X86_64);
        assert!(
            ["rt_sigreturn", "clock_gettime", "time", "getcpu", "uretprobe"]
                .iter()
                .all(|name| x86_64.contains(name))
        );
        assert!(!x86_64.contains(&"sigreturn"));
        assert!(names(Arch::I386).contains(&"clock_gettime64"));
        assert!(!names(Arch::Aarch64).contains(&"getcpu"));
    }
}
