//! What capability mode says to a call: cap_enter(2).

include!(concat!(env!("OUT_DIR"), "/capsicum_mode.rs"));

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Allowed.
    Yes,
    /// Allowed for the process itself.
    Own,
    /// Allowed with a directory descriptor and a path below it.
    Relative,
    /// Allowed by kernels after FreeBSD 13.
    Newer,
    /// ECAPMODE.
    No,
    /// There is no such call.
    Linux,
}

struct CallRow {
    verdict: Verdict,
    freebsd: Option<&'static str>,
    reason: &'static str,
}

/// What capability mode says to the call of that name, which call of FreeBSD stands for it, and why
/// so. `None` for a name that the table of calls lacks.
pub fn verdict(name: &str) -> Option<(Verdict, Option<&'static str>, &'static str)> {
    let at = BY_NAME.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    let CallRow { verdict, freebsd, reason } = &CALLS[usize::from(BY_NAME[at].1)];
    Some((*verdict, *freebsd, reason))
}
