//! Takes from the command the Linux capabilities that its policy does not suggest.

use crate::{ConfineError, enforce::Level};
use nix::errno::Errno;
use supervisor::capset::{CapSet, Sets, limit, no_new_privs};

/// What came of dropping capabilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// How far it went.
    pub level: Level,
    /// Those that the command may still have, as it shall.
    pub kept: CapSet,
    /// Those that it may still have against the policy.
    pub left: CapSet,
    /// Those that it shall have, and that are not here to be given.
    pub missing: CapSet,
}

/// Bounds what the command can have to `keep`. profgen itself keeps what it has until it becomes
/// the command, because loading a filter takes CAP_SYS_ADMIN; exec then works the command's sets
/// out from the bounds. Without CAP_SYS_ADMIN the filter needs no_new_privs, and with that exec
/// adds nothing, so that the own sets are the bounds; so it is too where the bounding set cannot be
/// lowered.
pub(crate) fn drop_all_but(keep: CapSet) -> Result<Dropped, ConfineError> {
    const SETPCAP: u32 = 8;
    const SYS_ADMIN: u32 = 21;
    let refused = |errno: Errno| ConfineError::Refused("to drop capabilities", errno);
    let before = Sets::own().map_err(refused)?;
    let privileged =
        before.effective.has(SYS_ADMIN) && before.effective.has(SETPCAP) && !no_new_privs();
    if !privileged {
        filter::no_new_privs().map_err(|errno| refused(Errno::from_raw(errno.0)))?;
    }
    limit(keep, !privileged).map_err(refused)?;
    let after = Sets::own().map_err(refused)?;
    Ok(outcome(keep, before.reachable(!privileged), after.reachable(!privileged)))
}

fn outcome(keep: CapSet, before: CapSet, after: CapSet) -> Dropped {
    let left = after.without(keep);
    let level = if left.is_empty() {
        Level::Fully
    } else if left == before.without(keep) {
        Level::Not
    } else {
        Level::Partly
    };
    // Where everything is kept nothing in particular is missed.
    let missing = if keep == CapSet::ALL { CapSet::NONE } else { keep.without(after) };
    Dropped { level, kept: after & keep, left, missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_decides_how_far_it_went() {
        let [raw, chown, admin] = [13, 0, 21].map(|number| CapSet::of([number]));
        let all = raw | chown | admin;
        let fully = outcome(raw, all, raw);
        assert_eq!((fully.level, fully.kept, fully.left), (Level::Fully, raw, CapSet::NONE));
        assert_eq!(outcome(raw, all, raw | admin).level, Level::Partly);
        assert_eq!(outcome(raw, all, all).level, Level::Not);
        let elsewhere = outcome(raw, CapSet::NONE, CapSet::NONE);
        assert_eq!((elsewhere.level, elsewhere.missing), (Level::Fully, raw));
    }
}
