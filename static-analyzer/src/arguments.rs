//! The arguments that decide a call's power, where every instruction that makes it has known ones.

use crate::{flow::Site, numbers::Numbers, reach::Node};
use model::Sysno;
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the parameters of each call: `None` is anything.
#[derive(Debug, Default)]
pub struct Arguments(BTreeMap<(Sysno, &'static str), Option<BTreeSet<u64>>>);

impl Arguments {
    /// Adds an instruction that makes a call; `own` when its arguments are its own, too.
    pub fn add(
        &mut self,
        numbers: &mut Numbers<'_>,
        node: Node,
        site: &Site,
        sysno: Sysno,
        own: bool,
    ) {
        let params = sysno.call().map_or(&[][..], |call| call.params);
        for (param, atoms) in params.iter().zip(&site.arguments) {
            if !param.kind.is_value() {
                continue;
            }
            let known = self.0.entry((sysno, param.name)).or_insert_with(|| Some(BTreeSet::new()));
            let Some(values) = known else { continue };
            let mask = if param.kind.bits() < 64 { (1 << param.kind.bits()) - 1 } else { u64::MAX };
            match numbers.all(node, atoms).filter(|_| own) {
                Some(found) => values.extend(found.into_iter().map(|value| value & mask)),
                None => *known = None,
            }
        }
    }

    /// The parameters that are known at every instruction.
    pub fn known(self) -> BTreeMap<Sysno, BTreeMap<String, BTreeSet<u64>>> {
        let mut known = BTreeMap::<Sysno, BTreeMap<String, BTreeSet<u64>>>::new();
        for ((sysno, name), values) in self.0 {
            if let Some(values) = values {
                known.entry(sysno).or_default().insert(name.to_owned(), values);
            }
        }
        known
    }
}
