//! Memory that a program makes executable by itself: what runs there is in no file.

use super::report::{Report, sysno};
use crate::{arguments::ways, decode::Entry, numbers::Numbers, phases::Phases, value::Atom};
use model::analysis::{Gap, GapKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// PROT_WRITE and PROT_EXEC (mmap(2)).
const WRITE: u64 = 2;
const EXECUTE: u64 = 4;
/// The place of the protection among the arguments of all of them.
const PROTECTION: usize = 2;
/// The calls that give memory a protection, and which bits together say that it may hold code that
/// the program wrote: what mprotect(2) makes executable may have been written to before.
const PROTECTORS: [(&str, u64); 4] = [
    ("mmap", WRITE | EXECUTE),
    ("mmap2", WRITE | EXECUTE),
    ("mprotect", EXECUTE),
    ("pkey_mprotect", EXECUTE),
];

/// What mmap(2) and mprotect(2) take: other values are no protections, but words that were read
/// where a table's end is not known.
const PROTECTIONS: u64 = 0x0300_000f;

/// The dynamic loader maps the files that are listed as modules, with the protections they ask for.
const LOADER: &str = "the dynamic loader makes nothing executable but what it maps of modules, and stacks for those that ask for it";
/// Said where protections are not all known.
const UNKNOWN: &str =
    "no code is generated: memory whose protection is not known here is not made executable";

impl Report<'_> {
    /// Places where memory may get a protection under which code can be made.
    pub(super) fn generated_code(&mut self, phases: &Phases<'_>, numbers: &mut Numbers<'_>) {
        let reach = &phases.all;
        let loaders = self.loaders();
        let of_loader = |node| loaders.contains(&reach.of(node).0);
        let (mut loads, mut unknown) = (false, false);
        // Where a protection comes from, with what it is given to.
        let mut found = BTreeMap::new();
        for node in reach.live() {
            let (module, function) = reach.of(node);
            for site in &self.program.scan(module).functions[function].facts.sites {
                let Some(ways) = ways(numbers, node, site) else {
                    unknown = true;
                    continue;
                };
                for way in ways {
                    let Some((name, bits)) = protector(site.entry, way.number) else { continue };
                    let answer = numbers.ask(way.node, site.at, &way.arguments[PROTECTION]);
                    for &(open, _) in &answer.open {
                        loads |= of_loader(open);
                        unknown |= !of_loader(open);
                    }
                    for known in answer.found {
                        let executable = known.number & bits == bits;
                        let Some(&(first, at)) = known.path.first() else { continue };
                        if !executable || known.number & !PROTECTIONS != 0 {
                            continue;
                        }
                        match of_loader(first) {
                            true => loads = true,
                            false => _ = found.entry((first, at)).or_insert((name, known.path)),
                        }
                    }
                }
            }
        }
        for ((first, at), (name, path)) in found {
            let what =
                format!("memory that {name} makes executable may hold code made at run time");
            let site = Some(self.site(reach.of(first).0, at));
            let chain = self.chain(reach, &path);
            let kind = GapKind::GeneratedCode;
            self.gaps.insert(Gap { kind, site, what, chain, arch: None });
        }
        self.assumptions.extend(loads.then(|| LOADER.to_owned()));
        self.assumptions.extend(unknown.then(|| UNKNOWN.to_owned()));
    }

    /// The modules that a module names as its interpreter: also a static program may load a library
    /// that does.
    fn loaders(&self) -> BTreeSet<usize> {
        let modules = 0..self.program.modules.len();
        let named = modules.clone().filter_map(|module| {
            let name = self.program.elf(module).interpreter.as_deref()?;
            self.files.root.file(Path::new(OsStr::from_bytes(name)))
        });
        let named: BTreeSet<PathBuf> = named.collect();
        modules
            .filter(|&module| named.contains(&self.program.modules[module].module.path))
            .collect()
    }
}

/// The call of a number, if it gives memory a protection, with the bits that matter.
fn protector(entry: Entry, number: Atom) -> Option<(&'static str, u64)> {
    let Atom::Const(number) = number else { return None };
    let name = sysno(entry, number)?.name()?;
    PROTECTORS.iter().copied().find(|protector| protector.0 == name)
}
