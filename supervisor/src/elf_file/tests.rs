use super::*;
use crate::testing::{self, Section, Segment, symbol, write_elf};
use proptest::prelude::*;
use std::path::PathBuf;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

fn written(segments: &[Segment], sections: &[Section]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("elf");
    write_elf(&path, segments, sections).unwrap();
    (directory, path)
}

fn table(kind: u32, link: u32, data: Vec<u8>, hole: u64) -> Section {
    Section { name: ".table", kind, link, data, hole, ..Default::default() }
}

#[test]
fn an_honest_file_is_read() {
    let (segments, sections) = testing::sample();
    let (_directory, path) = written(&segments, &sections);
    let file = open_regular(&path).unwrap();
    let elf = ElfFile::new(&file, MIB).unwrap();
    assert!(elf.is_64().unwrap());
    assert_eq!(elf.build_id().unwrap(), Some("ab".repeat(20)));
    assert_eq!((elf.segments().unwrap()[0].address, elf.segments().unwrap().len()), (0x1000, 1));
    let symbols = elf.symbols(TableKind::Full).unwrap();
    assert_eq!(symbols.name(symbols.list[1].name), Some("work"));
    assert!(elf.imports(&[c"seccomp_notify_alloc", c"seccomp_notify_fd"]).unwrap());
    assert!(!elf.imports(&[c"seccomp_notify"]).unwrap());
    assert_eq!(elf.section(".text").unwrap().unwrap().data.len(), 0x100);
    assert!(elf.section(".missing").unwrap().is_none());
}

#[test]
fn overlapping_notes_cost_no_more_than_the_budget() {
    let notes = table(7, 0, vec![0; 256 << 10], 0);
    let segments: Vec<_> =
        (0..6000).map(|skip| Segment { kind: 4, section: 0, skip: skip * 4 }).collect();
    let (_directory, path) = written(&segments, &[notes]);
    let file = open_regular(&path).unwrap();
    let elf = ElfFile::new(&file, 16 * MIB).unwrap();
    assert!(matches!(elf.build_id(), Err(ElfError::TooLarge)));
    assert!(elf.used() <= 16 * MIB);
    // With a budget for all of them the count is bounded.
    let elf = ElfFile::new(&file, 8192 * MIB).unwrap();
    assert_eq!(elf.build_id().unwrap(), None);
    assert!(elf.used() <= 65 * MIB);
}

#[test]
fn a_table_of_gigabytes_in_a_sparse_file_is_not_read() {
    for (size, budget) in [(6 << 30, 256 * MIB), (40 * MIB, 256 * MIB), (4 << 30, MIB)] {
        for kind in [2, 11] {
            let symbols = table(kind, 2, symbol(0, false, 0, 0, 0), size);
            let (_directory, path) = written(&[], &[symbols, table(3, 0, vec![0], 0)]);
            let file = open_regular(&path).unwrap();
            if lseek(&file, 0, Whence::SeekHole).unwrap() as u64 == file.metadata().unwrap().len() {
                println!("skipped: no holes in the files of the temporary directory");
                return;
            }
            let elf = ElfFile::new(&file, budget).unwrap();
            let which = if kind == 2 { TableKind::Full } else { TableKind::Dynamic };
            let error = elf.symbols(which).unwrap_err();
            assert!(matches!(error, ElfError::Hole | ElfError::TooLarge), "{error}");
            assert!(elf.used() < MIB, "{}", elf.used());
        }
    }
}

#[test]
fn a_table_past_the_end_of_the_file_is_not_read() {
    let (_directory, path) = written(&[], &[table(2, 0, symbol(0, false, 0, 0, 0), 6 << 30)]);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    let elf = ElfFile::new(&file, 256 * MIB).unwrap();
    assert!(elf.symbols(TableKind::Full).is_err());
    assert!(elf.used() < MIB);
}

#[test]
fn section_names_cost_no_more_than_the_budget() {
    let sections: Vec<_> = (0..60_000).map(|_| table(1, 0, Vec::new(), 0)).collect();
    let (_directory, path) = written(&[], &sections);
    let file = open_regular(&path).unwrap();
    let elf = ElfFile::new(&file, 5 * MIB).unwrap();
    assert!(matches!(elf.section(".eh_frame"), Ok(None) | Err(ElfError::TooLarge)));
    assert!(elf.used() <= 5 * MIB);
}

#[test]
fn a_name_without_an_end_is_none() {
    let mut symbols = Symbols { list: Vec::new(), strings: vec![b'a'; 1 << 20] };
    assert_eq!(symbols.name(0), None);
    symbols.strings[5000] = 0;
    assert_eq!(symbols.name(0), None);
    assert_eq!(symbols.name(4998), Some("aa"));
    assert_eq!((symbols.name(5000), symbols.name(u32::MAX)), (None, None));
}

#[test]
fn a_file_is_hashed_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    fs::write(&path, "abc").unwrap();
    let file = open_regular(&path).unwrap();
    // FIPS 180-2, appendix B.1.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(&file, 3).unwrap(), expected);
    assert_eq!(sha256(&file, 3).unwrap(), expected);
    assert!(sha256(&file, 2).is_err());
}

#[test]
fn a_pipe_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(open_regular(&path).is_err());
    assert!(open_regular(Path::new("/")).is_err());
}

/// The start of this test program, and a small whole file.
fn seeds() -> Vec<Vec<u8>> {
    let mut own = fs::read(std::env::current_exe().unwrap()).unwrap();
    own.truncate(64 << 10);
    let (segments, sections) = testing::sample();
    let (_directory, path) = written(&segments, &sections);
    vec![own, fs::read(path).unwrap()]
}

proptest! {
    #[test]
    fn damaged_files_are_errors(
        seed in 0..2_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..24),
        in_headers in any::<bool>(),
        length in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        static SEEDS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(seeds);
        let mut bytes = SEEDS[seed].clone();
        let reach = if in_headers { 1024.min(bytes.len()) } else { bytes.len() };
        for (place, byte) in changes {
            bytes[place.index(reach)] = byte;
        }
        if !whole {
            bytes.truncate(length.index(bytes.len()));
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("elf");
        fs::write(&path, bytes).unwrap();
        let file = open_regular(&path).unwrap();
        let elf = ElfFile::new(&file, MIB).unwrap();
        let _ = elf.build_id();
        let _ = elf.segments();
        let _ = elf.imports(&[c"seccomp_notify_fd"]);
        let _ = elf.section(".eh_frame");
        if let Ok(symbols) = elf.symbols(TableKind::Full) {
            for symbol in &symbols.list {
                let _ = symbols.name(symbol.name);
            }
        }
        prop_assert!(elf.used() <= MIB);
    }
}
