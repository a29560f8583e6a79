//! Damaged files: an error or an answer, never a panic, and in bounded time. The same bytes are
//! damaged in the same ways in every run; the fuzz targets go further.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use profgen_static_analyzer::fuzzing;

/// A small generator (xorshift) that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Overwrites some bytes, mostly in the tables at the start, or cuts the end off.
fn damage(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const INTERESTING: [u64; 6] = [0, 1, 0x7f, 0xffff_ffff, u64::MAX, 1 << 63];
    let mut damaged = bytes.to_vec();
    for _ in 0..=random.next(8) {
        let room = if random.next(3) == 0 { damaged.len() } else { damaged.len().min(0x1000) };
        let at = random.next(room);
        let value =
            INTERESTING[random.next(INTERESTING.len())].wrapping_add(random.next(16) as u64);
        let size = [1, 2, 4, 8][random.next(4)];
        for (place, byte) in damaged[at..].iter_mut().zip(value.to_le_bytes()).take(size) {
            *place = byte;
        }
    }
    if random.next(8) == 0 {
        damaged.truncate(random.next(bytes.len()));
    }
    damaged
}

fn corpus() -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sample");
    let (segments, sections) = supervisor::testing::sample();
    supervisor::testing::write_elf(&path, &segments, &sections).unwrap();
    vec![std::fs::read(path).unwrap(), std::fs::read("/usr/bin/true").unwrap()]
}

#[test]
fn damaged_headers_and_tables_are_read_without_harm() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for bytes in corpus() {
        for _ in 0..2000 {
            fuzzing::elf(&damage(&bytes, &mut random));
        }
    }
}

#[test]
fn damaged_programs_are_interpreted_without_harm() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for bytes in corpus() {
        for _ in 0..60 {
            fuzzing::scan(&damage(&bytes, &mut random));
        }
    }
}

#[test]
fn any_bytes_are_instructions_and_frames_or_none() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for _ in 0..3000 {
        let length = random.next(400);
        let bytes: Vec<u8> = (0..length).map(|_| random.next(256) as u8).collect();
        fuzzing::instructions(&bytes);
        fuzzing::frames(&bytes);
    }
}

/// What a fuzz target begins with, and what it found.
fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
    assert!(!files.is_empty());
    for file in files {
        target(&std::fs::read(file.unwrap().path()).unwrap());
    }
}

#[test]
fn the_corpora_of_the_fuzz_targets_are_read_without_harm() {
    replay("elf", fuzzing::scan);
    replay("frames", fuzzing::frames);
    replay("instructions", fuzzing::instructions);
}
