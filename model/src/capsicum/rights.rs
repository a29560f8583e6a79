//! Sets of rights(4). Composites are names for several bits: a set is its bits, and its names are
//! worked out when it is shown.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    fmt,
    ops::{BitOr, BitOrAssign},
};

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rights(pub(super) u128);

impl Rights {
    /// No right at all: the descriptor can be held, passed on and closed.
    pub const NONE: Rights = Rights(0);

    /// The right of that name, without `CAP_`: also of a composite, and of another name for it.
    pub fn named(name: &str) -> Option<Rights> {
        let known = super::uses::NAMES.iter().chain(super::uses::ALIASES);
        known.into_iter().find(|(known, _)| *known == name).map(|(_, rights)| *rights)
    }

    /// Every name with its rights, in the order of the table.
    pub fn all() -> impl Iterator<Item = (&'static str, Rights)> {
        super::uses::NAMES.iter().copied()
    }

    /// The rights of several names.
    pub fn cover<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Rights> {
        names.into_iter().try_fold(Rights::NONE, |all, name| Some(all | Rights::named(name)?))
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `other` is in it.
    pub fn contains(self, other: Rights) -> bool {
        other.0 & !self.0 == 0
    }

    /// What is in it and not in `other`.
    pub fn without(self, other: Rights) -> Rights {
        Rights(self.0 & !other.0)
    }

    /// The fewest names that stand for just these rights; of several such lists the one whose names
    /// say least, then the first of the table. A bit that no name stands for alone is left out.
    pub fn names(self) -> Vec<&'static str> {
        let fits: Vec<(&str, Rights)> =
            Rights::all().filter(|(_, rights)| self.contains(*rights)).collect();
        let reach = fits.iter().fold(Rights::NONE, |all, (_, rights)| all | *rights);
        let mut best: Option<Vec<usize>> = None;
        choose(&fits, reach, Rights::NONE, &mut Vec::new(), &mut best);
        best.unwrap_or_default().into_iter().map(|at| fits[at].0).collect()
    }

    /// Each set that lacks one right of it: one that can be taken away while the rest keeps what it
    /// includes.
    pub fn narrower(self) -> impl Iterator<Item = Rights> {
        (0..u128::BITS)
            .map(move |bit| Rights(self.0 & !(1 << bit)))
            .filter(move |less| *less != self)
            // SEEK includes SEEK_TELL: without the latter there is no SEEK either.
            .map(|less| Rights::cover(less.names()).unwrap_or(Rights::NONE))
    }
}

/// Looks for fewer names than the best so far: the lowest bit that is still open is covered by one
/// name after another.
fn choose(
    fits: &[(&str, Rights)],
    wanted: Rights,
    covered: Rights,
    chosen: &mut Vec<usize>,
    best: &mut Option<Vec<usize>>,
) {
    let cost = |names: &[usize]| {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        let bits: u32 = names.iter().map(|at| fits[*at].1.0.count_ones()).sum();
        (names.len(), bits, sorted)
    };
    let open = wanted.without(covered);
    if open.is_empty() {
        if best.as_ref().is_none_or(|best| cost(chosen) < cost(best)) {
            let mut sorted = chosen.clone();
            sorted.sort_unstable();
            *best = Some(sorted);
        }
        return;
    }
    if best.as_ref().is_some_and(|best| chosen.len() + 1 > best.len()) {
        return;
    }
    let lowest = open.0 & open.0.wrapping_neg();
    for (at, (_, rights)) in fits.iter().enumerate() {
        if rights.0 & lowest != 0 {
            chosen.push(at);
            choose(fits, wanted, covered | *rights, chosen, best);
            chosen.pop();
        }
    }
}

impl BitOr for Rights {
    type Output = Rights;

    fn bitor(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }
}

impl BitOrAssign for Rights {
    fn bitor_assign(&mut self, other: Rights) {
        self.0 |= other.0;
    }
}

/// As cap_rights_init(3) takes them: `CAP_FSTAT, CAP_READ`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().iter().map(|name| format!("CAP_{name}")).collect();
        f.pad(&names.join(", "))
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Rights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rights, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut all = Rights::NONE;
        for name in names {
            all |= Rights::named(&name)
                .ok_or_else(|| D::Error::custom(format!("{name:?} is no right of rights(4)")))?;
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> String {
        Rights::cover(of.iter().copied()).unwrap().to_string()
    }

    #[test]
    fn the_shortest_names_are_composites() {
        assert_eq!(names(&["READ", "SEEK", "MMAP"]), "CAP_MMAP_R");
        assert_eq!(names(&["READ", "SEEK"]), "CAP_PREAD");
        assert_eq!(names(&["WRITE", "FSTAT"]), "CAP_WRITE, CAP_FSTAT");
        assert_eq!(names(&["SEEK_TELL", "READ"]), "CAP_READ, CAP_SEEK_TELL");
        assert_eq!(names(&["LOOKUP", "FSTAT", "READ"]), "CAP_READ, CAP_FSTATAT");
        assert_eq!(names(&["KQUEUE_EVENT", "KQUEUE_CHANGE"]), "CAP_KQUEUE");
        assert_eq!(names(&[]), "");
    }

    #[test]
    fn seek_cannot_do_without_tell() {
        let seek = Rights::named("SEEK").unwrap();
        let less: Vec<Rights> = seek.narrower().collect();
        assert_eq!(less, [Rights::NONE, Rights::named("SEEK_TELL").unwrap()]);
    }
}
