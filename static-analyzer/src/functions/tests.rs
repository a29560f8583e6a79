use super::*;
use proptest::prelude::*;
use std::{fs, path::PathBuf, sync::LazyLock, time::Instant};
use supervisor::testing::{Section, Segment as Part, eh_frame, sample, symbol, write_elf};
use tempfile::TempDir;

fn written(segments: &[Part], sections: &[Section]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("elf");
    write_elf(&path, segments, sections).unwrap();
    (directory, path)
}

fn offset(functions: &Functions, address: u64) -> u64 {
    let within = |segment: &&Segment| {
        address.checked_sub(segment.address).is_some_and(|at| at < segment.size)
    };
    let segment = functions.segments.iter().find(within).unwrap();
    address - segment.address + segment.offset
}

#[test]
fn a_function_of_this_program_is_found() {
    let functions = Functions::read(&std::env::current_exe().unwrap()).unwrap();
    let function = functions.symbols.iter().find(|function| function.size > 8).unwrap();
    let name = functions.tables[usize::from(function.table)].name(function.name).unwrap();
    let at = offset(&functions, function.address);
    assert_eq!(functions.name(at + 4).unwrap(), format!("{name}+0x4"));
    assert!(functions.frames[0].address > 0);
    assert_eq!(functions.name(u64::MAX), None);
}

#[test]
fn what_has_no_symbol_is_named_by_its_frame() {
    let (segments, sections) = sample();
    let (_directory, path) = written(&segments, &sections);
    let functions = Functions::read(&path).unwrap();
    let name = |address| functions.name(offset(&functions, address));
    assert_eq!(name(0x1018).as_deref(), Some("work+0x8"));
    assert_eq!(name(0x1044).as_deref(), Some("fn@1040+0x4"));
    assert_eq!((name(0x1000), name(0x1030), name(0x1050)), (None, None, None));
}

#[test]
fn of_several_names_the_plainest_is_taken() {
    let entries = [1, 9, 16, 1].map(|name| symbol(name, true, 1, 0x1000, u64::from(name)));
    let section = |name, kind, link, data| Section {
        name,
        kind,
        link,
        address: 0x1000,
        data,
        ..Default::default()
    };
    let strings = b"\0__openx\0openat\0openat64\0".into();
    let sections = [
        section(".text", 1, 0, vec![0x90; 64]),
        section(".symtab", 2, 3, entries.concat()),
        section(".strtab", 3, 0, strings),
    ];
    let (_directory, path) = written(&[Part { kind: 1, section: 0, skip: 0 }], &sections);
    let functions = Functions::read(&path).unwrap();
    assert_eq!(functions.symbols.len(), 1);
    let at = offset(&functions, 0x1000) + 15;
    assert_eq!(functions.name(at).as_deref(), Some("openat+0xf"));
}

#[test]
fn what_is_no_elf_file_is_an_error() {
    assert!(matches!(Functions::read(Path::new("/")), Err(ElfError::Io(_))));
    let refused = Functions::read(Path::new("/etc/passwd"));
    assert!(matches!(refused, Err(ElfError::Malformed(_))), "{refused:?}");
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    fs::write(&text, "x".repeat(100)).unwrap();
    assert!(Functions::read(&text).is_err());
}

#[test]
fn long_overlapping_names_are_kept_once() {
    let mut strings = vec![b'a'; 64 << 10];
    strings.push(0);
    let count = 60_000_u32;
    let entries = (1..=count).flat_map(|name| symbol(name, true, 1, u64::from(name), 1));
    let table = |kind, data| Section { kind, link: 2, data, ..Default::default() };
    let sections = [table(2, entries.collect()), table(3, strings)];
    let (_directory, path) = written(&[], &sections);
    let file = open_regular(&path).unwrap();
    let elf = ElfFile::new(&file, BUDGET).unwrap();
    let functions = Functions::of(&elf).unwrap();
    assert_eq!(functions.symbols.len(), count as usize);
    // The table, its strings, and a little.
    assert!(elf.used() < 24 * 60_000 + (80 << 10), "{}", elf.used());
    assert_eq!(functions.tables[0].strings.len(), (64 << 10) + 1);
    assert!(functions.tables.iter().all(|table| table.list.is_empty()));
}

#[test]
fn a_table_that_is_too_large_leaves_the_others() {
    let (segments, mut sections) = sample();
    sections[1].hole = 6 << 30;
    let (_directory, path) = written(&segments, &sections);
    let file = open_regular(&path).unwrap();
    let elf = ElfFile::new(&file, BUDGET).unwrap();
    let functions = Functions::of(&elf).unwrap();
    assert!(elf.used() < 1 << 20);
    assert_eq!(functions.name(offset(&functions, 0x1018)), None);
    assert_eq!(functions.name(offset(&functions, 0x1044)).as_deref(), Some("fn@1040+0x4"));
}

#[test]
fn functions_of_large_files_are_found_at_bounded_cost() {
    let libc = ["/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/aarch64-linux-gnu/libc.so.6"];
    let libc = libc.map(PathBuf::from).into_iter().find(|path| path.exists());
    for path in [std::env::current_exe().ok(), libc].into_iter().flatten() {
        let start = Instant::now();
        let file = open_regular(&path).unwrap();
        let elf = ElfFile::new(&file, BUDGET).unwrap();
        let functions = Functions::of(&elf).unwrap();
        let (names, frames) = (functions.symbols.len(), functions.frames.len());
        let (used, took) = (elf.used(), start.elapsed());
        println!("{}: {names} names, {frames} frames, {used} bytes, {took:?}", path.display());
        assert!(used <= file.metadata().unwrap().len());
        if path.ends_with("libc.so.6") {
            let name = |of: &Function| functions.tables[usize::from(of.table)].name(of.name);
            let openat = functions
                .symbols
                .iter()
                .find(|function| name(function).is_some_and(|name| name.starts_with("openat")))
                .unwrap();
            let found = functions.name(offset(&functions, openat.address) + 0x3b).unwrap();
            assert!(matches!(found.as_str(), "openat+0x3b" | "openat64+0x3b"), "{found}");
        }
    }
}

/// The start of this test program, and a small whole file.
static SEEDS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let mut own = fs::read(std::env::current_exe().unwrap()).unwrap();
    own.truncate(64 << 10);
    let (segments, mut sections) = sample();
    sections[5].data = eh_frame(b"zPLR", &[(0x1040, 16), (0x1060, 16), (0x1080, 16)]);
    let (_directory, path) = written(&segments, &sections);
    [own, fs::read(path).unwrap()]
});

proptest! {
    #[test]
    fn damaged_files_do_no_harm(
        seed in 0..2_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24),
        length in any::<prop::sample::Index>(),
        whole in any::<bool>(),
        offsets in prop::collection::vec(any::<u64>(), 4),
    ) {
        let mut bytes = SEEDS[seed].clone();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if !whole {
            bytes.truncate(length.index(bytes.len()));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("elf");
        let end = bytes.len() as u64;
        fs::write(&path, bytes).unwrap();
        if let Ok(functions) = Functions::read(&path) {
            for offset in offsets.into_iter().chain((0..end).step_by(97)) {
                let _ = functions.name(offset);
            }
        }
    }
}
