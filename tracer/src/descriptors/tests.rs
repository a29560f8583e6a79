//! The followed tables against those of the kernel.

use super::{Follower, kernel};
use crate::{EngineChoice, Options, Subject, observe::Event, trace};
use model::{
    Trace,
    descriptor::{Followed, Name, NameUse, Origin},
    trace::EngineName,
};
use std::{cell::RefCell, collections::BTreeMap, ffi::OsString, path::Path, process};
use supervisor::{Command, command::Inherited, signals::Signals};

/// What `tests/programs/descriptors.c` asks getpriority(2) for when it stands still.
const STANDS_STILL: u64 = 0x7e57;

#[derive(Debug, Default)]
struct Compared {
    times: usize,
    still: usize,
    differences: Vec<String>,
}

thread_local! {
    static COMPARED: RefCell<Compared> = RefCell::default();
}

/// Compares the table of a thread that has stopped at the entry of a call with the kernel's, where no
/// other thread can be about to change it.
pub fn compare(follower: &mut Follower, event: &Event) {
    let still = event.sysno.name() == Some("getpriority") && event.args[0] == STANDS_STILL;
    let Some(table) = follower.tables.of(event.tid) else { return };
    // A table that others hold who are no threads of ours is compared when they stand still, too.
    if !still && follower.tables.threads(table) > 1 {
        return;
    }
    let followed: BTreeMap<i32, bool> = follower
        .tables
        .held(table)
        .iter()
        .map(|(&number, held)| (number, held.close_on_exec))
        .collect();
    let of_kernel = || -> Option<BTreeMap<i32, bool>> {
        let numbers = kernel::numbers(event.tid)?;
        Some(
            numbers
                .into_iter()
                .filter_map(|n| Some((n, kernel::describe(event.tid, n)?.1)))
                .collect(),
        )
    };
    let Some(of_kernel) = of_kernel() else { return };
    COMPARED.with_borrow_mut(|compared| {
        compared.times += 1;
        compared.still += usize::from(still);
        if followed != of_kernel && compared.differences.len() < 10 {
            let call = event.sysno;
            let only = |one: &BTreeMap<i32, bool>, other: &BTreeMap<i32, bool>| {
                let differs = |(number, flag): &(&i32, &bool)| other.get(number) != Some(flag);
                one.iter().filter(differs).map(|(n, f)| (*n, *f)).collect::<Vec<_>>()
            };
            let (more, less) = (only(&followed, &of_kernel), only(&of_kernel, &followed));
            compared.differences.push(format!("{call}: followed {more:?}, is {less:?}"));
        }
    });
}

fn build(source: &str, directory: &Path) -> String {
    let source = format!("{}/../tests/programs/{source}", env!("CARGO_MANIFEST_DIR"));
    let program = directory.join("program").display().to_string();
    let built = process::Command::new("cc")
        .args(["-O1", "-g", "-pthread", "-o", &program, &source])
        .status();
    assert!(built.expect("cc").success(), "{source}");
    program
}

fn traced(argv: &[&str]) -> Trace {
    let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let (signals, _) = Signals::take().unwrap();
    let environment = vec![c"PATH=/usr/bin:/bin".to_owned(), c"LC_ALL=C".to_owned()];
    let command =
        Command::new(&argv, Some("/usr/bin:/bin".as_ref()), environment, Inherited::plain());
    let command = command.unwrap();
    let options = Options {
        engine: EngineChoice::Only(EngineName::Ptrace),
        signals,
        progress: Box::new(|_| {}),
        measure: false,
        first_process: false,
        patch: false,
        version: "test".to_owned(),
    };
    trace(&Subject::Command { command: &command, argv: &argv }, &options).unwrap()
}

#[test]
fn tables_are_those_of_the_kernel_at_any_moment() {
    let directory = tempfile::tempdir().unwrap();
    let trace = traced(&[&build("descriptors.c", directory.path())]);
    assert_eq!(trace.completeness.descriptors, Followed::Exact);
    let compared = COMPARED.take();
    assert!(compared.differences.is_empty(), "{:#?}", compared.differences);
    assert!(compared.still > 500 && compared.times > 2 * compared.still, "{compared:?}");
    assert!(trace.completeness.notes.is_empty(), "{:?}", trace.completeness.notes);
}

#[test]
fn a_call_that_has_nothing_but_a_path_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made").display().to_string();
    let trace = traced(&["mkdir", &made]);
    let made = model::Text::from(made.as_str());
    let named = |name: &NameUse| matches!(&name.what, Name::Path { path, .. } if *path == made);
    assert!(trace.images.iter().flat_map(|image| &image.names).any(named), "{:#?}", trace.images);
}

#[test]
fn cmp_reads_its_two_files_and_names_them_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (a, b) = (path("a"), path("b"));
    std::fs::write(&a, "same").unwrap();
    std::fs::write(&b, "same").unwrap();
    let trace = traced(&["cmp", &a, &b]);
    let [image] = &trace.images[..] else { panic!("{:#?}", trace.images) };
    for file in [&a, &b] {
        let path = model::Text::from(file.as_str());
        let opens = |origin: &Origin| matches!(origin, Origin::Opened { paths, .. } if paths.contains(&path));
        let record = image.descriptors.iter().find(|descriptor| opens(&descriptor.origin));
        let record = record.unwrap_or_else(|| panic!("{file}: {:#?}", image.descriptors));
        let calls: Vec<_> = record.uses.iter().filter_map(|used| used.call.name()).collect();
        assert!(calls.contains(&"read"), "{calls:?}");
        let named = |name: &&NameUse| matches!(&name.what, Name::Path { path: of, flags: Some(_), .. } if *of == path);
        let name = image.names.iter().find(named).expect("a name");
        assert_eq!((name.count, name.ok, name.first), (1, 1, record.made));
        let stack = &trace.stacks[record.stack.unwrap() as usize].0;
        let own = stack.iter().any(|site| site.module.as_bytes().ends_with(b"/cmp"));
        assert!(own || cfg!(not(target_arch = "x86_64")), "{stack:?}");
    }
}
