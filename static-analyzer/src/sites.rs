//! Gives the call sites of a trace their names, from the files that ran.

use crate::functions::{BUDGET, Functions};
use model::{
    Text, Trace,
    trace::{Module, Site},
};
use std::{collections::BTreeMap, fs::File};
use supervisor::elf_file::{ElfFile, open_regular, sha256};

/// A larger file is not hashed to learn whether it is the one that ran.
const HASH_MAX: u64 = 256 << 20;
/// How much is read of all files together: a program may map thousands.
const TOTAL_BUDGET: u64 = 4 << 30;

/// Gives every call site of the trace the name of its function, where the file that ran is still
/// there and has one.
pub fn name_sites(trace: &mut Trace) {
    let mut left = TOTAL_BUDGET;
    // One file after the other: their tables are not in memory together.
    for (module, sites) in by_module(trace) {
        let Some(functions) = functions(&module, &mut left) else { continue };
        for site in sites {
            site.symbol = functions.name(site.offset);
        }
    }
}

/// The sites without a name, by the file that they were in when they were recorded.
fn by_module(trace: &mut Trace) -> BTreeMap<Module, Vec<&mut Site>> {
    let of_run = agreed(trace);
    let mut found = BTreeMap::<Module, Vec<&mut Site>>::new();
    for program in &mut trace.programs {
        for site in program.calls.values_mut().filter_map(|call| call.site.as_mut()) {
            if !is_nameless(site) {
                continue;
            }
            let own = program.modules.iter().find(|module| module.path == site.module);
            if let Some(module) = own.or_else(|| of_run.get(&site.module)?.as_ref()) {
                found.entry(module.clone()).or_default().push(site);
            }
        }
    }
    for site in trace.stacks.iter_mut().flat_map(|stack| &mut stack.0) {
        let module = of_run.get(&site.module).and_then(Option::as_ref);
        if let Some(module) = module.filter(|_| is_nameless(site)) {
            found.entry(module.clone()).or_default().push(site);
        }
    }
    found
}

fn is_nameless(site: &Site) -> bool {
    site.symbol.is_none() && site.module.as_bytes().first() == Some(&b'/')
}

/// The modules by path, where all programs of the run had the same file there. A child that has
/// not executed anything yet lists none: its files were mapped before it was watched.
fn agreed(trace: &Trace) -> BTreeMap<Text, Option<Module>> {
    let mut agreed = BTreeMap::<Text, Option<Module>>::new();
    for module in trace.programs.iter().flat_map(|program| &program.modules) {
        let known = agreed.entry(module.path.clone()).or_insert_with(|| Some(module.clone()));
        if known.as_ref() != Some(module) {
            *known = None;
        }
    }
    agreed
}

fn functions(module: &Module, left: &mut u64) -> Option<Functions> {
    let file = open_regular(module.path.as_path()).ok()?;
    let elf = ElfFile::new(&file, BUDGET.min(*left)).ok()?;
    let functions = ran(module, &file, &elf, left).then(|| Functions::of(&elf).ok());
    *left = left.saturating_sub(elf.used());
    functions.flatten()
}

/// Whether this file is the one that was recorded: it may have been replaced since, and a process
/// in another root may have had another one at the path.
pub(crate) fn ran(module: &Module, file: &File, elf: &ElfFile<'_>, left: &mut u64) -> bool {
    if let Some(build_id) = &module.build_id {
        return elf.build_id().is_ok_and(|own| own.as_ref() == Some(build_id));
    }
    let Some(hash) = &module.sha256 else { return false };
    let most = HASH_MAX.min(*left);
    *left -= file.metadata().map_or(0, |metadata| metadata.len()).min(most);
    sha256(file, most).is_ok_and(|own| own == *hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{
        Arch, Sysno, Text,
        trace::{CallRecord, Program},
    };
    use proptest::{
        strategy::{Strategy, ValueTree},
        test_runner::TestRunner,
    };
    use std::path::Path;
    use supervisor::testing::{build_id_note, sample, write_elf};

    fn module(path: &Path, build_id: Option<&str>, sha256: Option<&str>) -> Module {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Module { path: path.into(), build_id: text(build_id), sha256: text(sha256) }
    }

    /// The name that a site in `work` of the first of several programs gets, when the programs
    /// were recorded with these modules.
    fn symbol(path: &Path, modules: &[&[Module]]) -> Option<String> {
        let functions = Functions::read(path).unwrap();
        let offset = (0..4096).find(|&at| functions.name(at).as_deref() == Some("work+0x2"));
        let site = Site { module: path.into(), offset: offset.unwrap(), symbol: None };
        let site = Some(site);
        let call = CallRecord {
            count: 1,
            errors: BTreeMap::new(),
            site,
            arguments: None,
            checks: Default::default(),
            marks: Default::default(),
        };
        let sysno = Sysno::from_name(Arch::X86_64, "openat").unwrap();
        let program = |modules: &&[Module]| Program {
            path: Text::from("/x"),
            executions: 1,
            write_and_execute: false,
            calls: BTreeMap::from([(sysno, call.clone())]),
            files: Vec::new(),
            endpoints: Vec::new(),
            modules: modules.to_vec(),
        };
        let mut runner = TestRunner::deterministic();
        let mut trace = model::testing::trace().new_tree(&mut runner).unwrap().current();
        trace.programs = modules.iter().map(program).collect();
        name_sites(&mut trace);
        trace.programs[0].calls[&sysno].site.as_ref().unwrap().symbol.clone()
    }

    #[test]
    fn only_the_file_that_ran_gives_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("elf");
        let (segments, mut sections) = sample();
        write_elf(&path, &segments, &sections).unwrap();
        let name = Some("work+0x2".to_owned());
        let hash = sha256(&open_regular(&path).unwrap(), HASH_MAX).unwrap();
        let right = module(&path, Some(&"ab".repeat(20)), None);
        let hashed = module(&path, None, Some(&hash));
        assert_eq!(symbol(&path, &[std::slice::from_ref(&right)]), name);
        assert_eq!(symbol(&path, &[&[module(&path, Some("cd"), None)]]), None);
        assert_eq!(symbol(&path, &[std::slice::from_ref(&hashed)]), name);
        assert_eq!(symbol(&path, &[&[module(&path, None, None)]]), None);
        sections[6].data = build_id_note(&[0xcd; 20]);
        write_elf(&path, &segments, &sections).unwrap();
        assert_eq!(symbol(&path, &[&[right]]), None);
        assert_eq!(symbol(&path, &[&[hashed]]), None);
    }

    #[test]
    fn a_program_without_modules_had_those_of_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("elf");
        let (segments, sections) = sample();
        write_elf(&path, &segments, &sections).unwrap();
        let right = [module(&path, Some(&"ab".repeat(20)), None)];
        let wrong = [module(&path, Some("cd"), None)];
        assert_eq!(symbol(&path, &[&[]]), None);
        assert_eq!(symbol(&path, &[&[], &right, &right]).as_deref(), Some("work+0x2"));
        assert_eq!(symbol(&path, &[&[], &right, &wrong]), None);
        assert_eq!(symbol(&path, &[&right, &wrong]).as_deref(), Some("work+0x2"));
    }
}
