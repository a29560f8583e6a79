//! What the arguments of system calls are. The rows are in `data/kinds.tsv`.

include!(concat!(env!("OUT_DIR"), "/kinds.rs"));

struct Row {
    slug: &'static str,
    class: Class,
    bits: u32,
}

#[derive(PartialEq)]
enum Class {
    Plain,
    Value,
    Memory,
}

impl Kind {
    /// As the tables write it: `open-flags`.
    pub fn slug(self) -> &'static str {
        self.row().slug
    }

    /// The kind of that name.
    pub fn from_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }

    /// Whether the value of the argument decides what the call may do: then it is evidence, and a
    /// filter can compare it.
    pub fn is_value(self) -> bool {
        self.row().class == Class::Value
    }

    /// As [`is_value`](Kind::is_value), but the value is the first word of the structure that the
    /// argument points to: evidence, which no filter sees.
    pub fn is_value_in_memory(self) -> bool {
        self.row().class == Class::Memory
    }

    /// How much of the register the kernel looks at: 32 for an int, 64 for a long or a pointer (on
    /// 32-bit architectures the upper half is zero). In memory, the width of the word there.
    pub fn bits(self) -> u32 {
        self.row().bits
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}
