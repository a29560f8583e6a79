//! Calls whose callers fall back only on ENOSYS. The rows are in `data/fallbacks.tsv`.

include!(concat!(env!("OUT_DIR"), "/fallbacks.rs"));

/// Whether a denial of the call must answer ENOSYS: with EPERM its callers give up, where with
/// ENOSYS they take an older call.
pub fn wants_enosys(name: &str) -> bool {
    reason(name).is_some()
}

/// Who falls back, and on what.
pub fn reason(name: &str) -> Option<&'static str> {
    let at = FALLBACKS.binary_search_by(|row| row.0.cmp(name)).ok()?;
    Some(FALLBACKS[at].1)
}

/// All such calls by name, each with its reason.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    FALLBACKS.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_calls_want_enosys_and_old_ones_do_not() {
        assert!(wants_enosys("clone3") && wants_enosys("futex_time64"));
        assert!(!wants_enosys("clone") && !wants_enosys("mount") && !wants_enosys(""));
        assert!(reason("faccessat2").unwrap().contains("glibc"));
        assert!(all().all(|(name, _)| wants_enosys(name)));
    }
}
