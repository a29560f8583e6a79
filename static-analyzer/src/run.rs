//! What there is to analyse of runs: the programs that they executed, with what was mapped into
//! them, as far as the files that ran are still there.

use crate::{root::Root, sites::ran};
use model::{Text, Trace, trace::Module};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use supervisor::elf_file::{ElfFile, open_regular};

/// How much is read of all files together to learn whether they are those that ran.
const TOTAL_BUDGET: u64 = 4 << 30;
const FILE_BUDGET: u64 = 64 << 20;

/// The programs of runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Each once, by path.
    pub programs: Vec<PathBuf>,
    /// What was mapped into each, the program itself left out.
    pub modules: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Programs that cannot be analysed, as another file stands at the path now or none.
    pub gone: BTreeSet<Text>,
}

/// Collects them. Of a program of which runs executed several versions, the one counts that is
/// there now. The paths of the runs are inside `root`: none is the machine's own.
pub fn executed<'a>(traces: impl IntoIterator<Item = &'a Trace>, root: Option<&Path>) -> Executed {
    let root = Root::new(root);
    let mut left = TOTAL_BUDGET;
    let mut known = BTreeMap::<Module, bool>::new();
    let mut is_there = |module: &Module| {
        *known.entry(module.clone()).or_insert_with(|| is_the_file(&root, module, &mut left))
    };
    let mut found = BTreeMap::<PathBuf, BTreeSet<PathBuf>>::new();
    let mut gone = BTreeSet::new();
    for program in traces.into_iter().flat_map(|trace| &trace.programs) {
        let own = program.modules.iter().find(|module| module.path == program.path);
        let Some(own) = own else { continue };
        if !is_there(own) {
            gone.insert(program.path.clone());
            continue;
        }
        let others = program.modules.iter().filter(|module| module.path != program.path);
        let others: Vec<PathBuf> = others
            .filter(|module| is_there(module))
            .map(|module| module.path.as_path().to_path_buf())
            .collect();
        found.entry(own.path.as_path().to_path_buf()).or_default().extend(others);
    }
    gone.retain(|path| !found.contains_key(path.as_path()));
    Executed {
        programs: found.keys().cloned().collect(),
        modules: found.into_iter().map(|(path, all)| (path, all.into_iter().collect())).collect(),
        gone,
    }
}

fn is_the_file(root: &Root, module: &Module, left: &mut u64) -> bool {
    let Some(inside) = root.file(module.path.as_path()) else { return false };
    let Ok(file) = open_regular(&root.outside(&inside)) else { return false };
    let Ok(elf) = ElfFile::new(&file, FILE_BUDGET.min(*left)) else { return false };
    let same = ran(module, &file, &elf, left);
    *left = left.saturating_sub(elf.used());
    same
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::trace::Program;
    use proptest::{
        strategy::{Strategy, ValueTree},
        test_runner::TestRunner,
    };
    use supervisor::testing::{sample, write_elf};

    fn module(path: &Path, build_id: &str) -> Module {
        Module { path: path.into(), build_id: Some(build_id.to_owned()), sha256: None }
    }

    fn program(path: &Path, modules: Vec<Module>) -> Program {
        Program {
            path: path.into(),
            executions: 1,
            write_and_execute: false,
            calls: BTreeMap::new(),
            files: Vec::new(),
            endpoints: Vec::new(),
            modules,
        }
    }

    #[test]
    fn programs_are_analysed_as_long_as_they_are_what_ran() {
        let directory = tempfile::tempdir().unwrap();
        let (app, library) = (directory.path().join("app"), directory.path().join("lib.so"));
        let (segments, sections) = sample();
        write_elf(&app, &segments, &sections).unwrap();
        write_elf(&library, &segments, &sections).unwrap();
        let right = "ab".repeat(20);
        let mut trace =
            model::testing::trace().new_tree(&mut TestRunner::deterministic()).unwrap().current();
        let gone = directory.path().join("gone");
        trace.programs = vec![
            program(&app, vec![module(&app, &right), module(&library, &right)]),
            program(&gone, vec![module(&gone, &right)]),
            program(Path::new("[before exec]"), Vec::new()),
        ];
        let mut older = trace.clone();
        older.programs = vec![program(&app, vec![module(&app, "cd")])];
        let found = executed(&[older.clone(), trace], None);
        assert_eq!(found.programs, std::slice::from_ref(&app));
        assert_eq!(found.modules, BTreeMap::from([(app.clone(), vec![library])]));
        assert_eq!(found.gone, BTreeSet::from([Text::from(gone.as_path())]));
        let found = executed(&[older], None);
        assert_eq!((found.programs.len(), found.gone.len()), (0, 1));
    }
}
