//! What the analysis proves, tier by tier. Each tier only takes away what it proves to be impossible:
//! without it a prediction is wider, or has more gaps, and never misses a call.

/// Which tiers are used. All of them, unless the worth of one is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision {
    /// A jump through a table leads no farther than its index was compared to allow.
    pub table_bounds: bool,
    /// Where a branch has found an unknown register equal to a number, it holds that.
    pub equals: bool,
    /// What is written to a word of the stack is what is read there.
    pub stack_words: bool,
    /// What a function is given is looked up at its callers.
    pub callers: bool,
    /// What a function returns is looked up in it.
    pub results: bool,
    /// A function that is handed to another one in a register is called where that one calls it.
    pub handed_functions: bool,
    /// What a variable holds is looked up in what is stored there.
    pub variables: bool,
    /// Code behind a call that does not return is not reached.
    pub endless: bool,
    /// Data is live by objects; without it, by whole files.
    pub objects: bool,
    /// Data and code are live only when live code leads there.
    pub demand: bool,
}

/// A tier: the name that it is asked for by, and where it stands.
pub struct Tier {
    /// As the field, with hyphens.
    pub name: &'static str,
    /// The tier's switch.
    pub switch: fn(&mut Precision) -> &mut bool,
}

impl std::fmt::Debug for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! tiers {
    ($($field:ident $name:literal)*) => {
        &[$(Tier { name: $name, switch: |precision| &mut precision.$field }),*]
    };
}

impl Precision {
    /// All tiers.
    pub const ALL: Precision = Precision {
        table_bounds: true,
        equals: true,
        stack_words: true,
        callers: true,
        results: true,
        handed_functions: true,
        variables: true,
        endless: true,
        objects: true,
        demand: true,
    };

    /// The tiers, those of values first.
    pub const TIERS: &[Tier] = tiers! {
        table_bounds "table-bounds"
        equals "equals"
        stack_words "stack-words"
        callers "callers"
        results "results"
        handed_functions "handed-functions"
        variables "variables"
        endless "endless"
        objects "objects"
        demand "demand"
    };

    /// Without the tier of a name; `None` when there is none.
    pub fn without(mut self, name: &str) -> Option<Precision> {
        let tier = Precision::TIERS.iter().find(|tier| tier.name == name)?;
        *(tier.switch)(&mut self) = false;
        Some(self)
    }
}

impl Default for Precision {
    fn default() -> Precision {
        Precision::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_takes_one_tier_away() {
        let off: Vec<Precision> = Precision::TIERS
            .iter()
            .map(|tier| Precision::ALL.without(tier.name).unwrap())
            .collect();
        for (number, precision) in off.iter().enumerate() {
            assert_ne!(*precision, Precision::ALL);
            assert!(!off[..number].contains(precision));
        }
        assert_eq!(Precision::ALL.without("nothing"), None);
    }
}
