//! Risk groups: the blocks of `data/syscalls.tsv`, from the least risky and most needed on.

include!(concat!(env!("OUT_DIR"), "/groups.rs"));

struct Row {
    slug: &'static str,
    sensitive: bool,
    reason: &'static str,
}

impl Group {
    /// As the tables write it: `kernel-code`.
    pub fn slug(self) -> &'static str {
        self.row().slug
    }

    /// The group of that name.
    pub fn from_slug(slug: &str) -> Option<Group> {
        Group::ALL.iter().copied().find(|group| group.slug() == slug)
    }

    /// What its calls have in common, in one sentence.
    pub fn reason(self) -> &'static str {
        self.row().reason
    }

    /// Whether a person should look twice when a program needs one of its calls.
    pub fn sensitive(self) -> bool {
        self.row().sensitive
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.slug())
    }
}
