//! The arguments that decide a call's power, where every instruction that makes it has known ones:
//! its own, or, for a number that callers hand over, what those hand over together with it.

use crate::{decode, flow::Site, numbers::Numbers, reach::Node, value::Atom};
use model::Sysno;
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};

/// Ways to one instruction past these are not looked at.
const WAYS_MAX: usize = 2_000;

/// What is known of the parameters of each call: `None` is anything.
#[derive(Debug, Default)]
pub struct Arguments {
    known: BTreeMap<(Sysno, &'static str), Option<BTreeSet<u64>>>,
    /// Whether some instruction may make any call.
    any: bool,
}

/// A number in a function, and the arguments that go with it there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Way {
    /// The function where both stand.
    pub node: Node,
    /// The number.
    pub number: Atom,
    /// The arguments.
    pub arguments: [Vec<Atom>; decode::ARGUMENTS.len()],
}

impl Arguments {
    /// Adds an instruction that makes calls: those found there, by their numbers.
    pub fn add(
        &mut self,
        numbers: &mut Numbers<'_>,
        node: Node,
        site: &Site,
        found: &BTreeMap<u64, Sysno>,
    ) {
        let mut without: BTreeMap<u64, Sysno> = found.clone();
        for Way { number, node, arguments } in ways(numbers, node, site).unwrap_or_default() {
            let Atom::Const(number) = number else { continue };
            if let Some(&sysno) = found.get(&number) {
                without.remove(&number);
                self.join(sysno, |place| numbers.all(node, arguments.get(place)?));
            }
        }
        for sysno in without.into_values() {
            self.join(sysno, |_| None);
        }
    }

    /// More values of a call's parameters, by their places.
    fn join(&mut self, sysno: Sysno, mut values: impl FnMut(usize) -> Option<BTreeSet<u64>>) {
        let params = sysno.call().map_or(&[][..], |call| call.params);
        for (place, param) in params.iter().enumerate().filter(|(_, param)| param.kind.is_value()) {
            let known =
                self.known.entry((sysno, param.name)).or_insert_with(|| Some(BTreeSet::new()));
            let Some(all) = known else { continue };
            let mask = if param.kind.bits() < 64 { (1 << param.kind.bits()) - 1 } else { u64::MAX };
            match values(place) {
                Some(found) => all.extend(found.into_iter().map(|value| value & mask)),
                None => *known = None,
            }
        }
    }

    /// The number at an instruction is not known: any call may be made there, with any arguments.
    pub fn give_up(&mut self) {
        self.any = true;
    }

    /// The parameters that are known at every instruction.
    pub fn known(self) -> BTreeMap<Sysno, BTreeMap<String, BTreeSet<u64>>> {
        let mut known = BTreeMap::<Sysno, BTreeMap<String, BTreeSet<u64>>>::new();
        for ((sysno, name), values) in self.known.into_iter().filter(|_| !self.any) {
            if let Some(values) = values {
                known.entry(sysno).or_default().insert(name.to_owned(), values);
            }
        }
        known
    }
}

/// The numbers that come to an instruction, each with the function where it and its arguments stand;
/// `None` when there are too many.
pub fn ways(numbers: &mut Numbers<'_>, node: Node, site: &Site) -> Option<Vec<Way>> {
    let arguments = &site.arguments;
    let way = |&number: &Atom| Way { node, number, arguments: arguments.clone() };
    let mut left: Vec<Way> = site.number.iter().map(way).collect();
    let mut known: FxHashSet<Way> = left.iter().cloned().collect();
    let mut found = Vec::new();
    while let Some(Way { node, number, arguments }) = left.pop() {
        match number {
            Atom::Const(_) => found.push(Way { node, number, arguments }),
            Atom::Entry(_) | Atom::EntrySlot(_) => {
                let arguments = arguments.map(|atoms| own(numbers, node, &atoms));
                for (caller, at) in numbers.callers_of(node) {
                    let arguments = arguments.clone().map(|atoms| {
                        let given = atoms.iter().flat_map(|&atom| numbers.given(caller, at, atom));
                        given.collect::<BTreeSet<Atom>>().into_iter().collect()
                    });
                    for number in numbers.given(caller, at, number) {
                        let way = Way { node: caller, number, arguments: arguments.clone() };
                        if known.insert(way.clone()) {
                            left.push(way);
                        }
                    }
                }
            }
            other => {
                let several = numbers.all(node, &[other]).unwrap_or_default();
                found.extend(several.into_iter().map(|number| {
                    let number = Atom::Const(number);
                    Way { node, number, arguments: arguments.clone() }
                }));
            }
        }
        if known.len() > WAYS_MAX {
            return None;
        }
    }
    Some(found)
}

/// What a function does not get from its callers is looked up before they are asked.
fn own(numbers: &mut Numbers<'_>, node: Node, atoms: &[Atom]) -> Vec<Atom> {
    let mut found = BTreeSet::new();
    for &atom in atoms {
        match atom {
            Atom::Const(_) | Atom::Entry(_) | Atom::EntrySlot(_) | Atom::Any => {
                found.insert(atom);
            }
            other => match numbers.all(node, &[other]) {
                Some(values) => found.extend(values.into_iter().map(Atom::Const)),
                None => _ = found.insert(Atom::Any),
            },
        }
    }
    found.into_iter().collect()
}
