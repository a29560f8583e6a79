//! Folding: what is alike takes the room of one, whatever its number.

use super::*;
use model::{Arch, descriptor::SocketKind};
use proptest::prelude::*;

fn connection() -> Object {
    Object::Socket(SocketKind { family: 2, kind: 1, protocol: 0 })
}

fn opened(path: &str) -> Origin {
    Origin::Opened { paths: [Text::from(path)].into(), more: false, flags: 0, at: None }
}

fn read() -> Sysno {
    Sysno::from_name(Arch::X86_64, "read").unwrap()
}

#[test]
fn ten_thousand_connections_are_one_record() {
    let mut image = Growing::new(0, 0, false);
    image.clock = 1;
    let listener = image.made(3, Origin::Socket, connection(), Some(0));
    for number in 0..10_000 {
        image.clock += 1;
        let from = Some(listener as u32);
        let record = image.made(4 + number % 500, Origin::Accepted { from }, connection(), Some(1));
        image.used(record, read(), 0, None, 1);
        image.clock += 1;
        image.closed(record, true);
    }
    assert_eq!(image.cut(), (false, false));
    let image = image.finish();
    let [_, accepted] = &image.descriptors[..] else { panic!("{image:?}") };
    assert_eq!((accepted.count, accepted.numbers.len()), (10_000, Descriptor::NUMBERS_BOUND));
    assert_eq!((accepted.made, accepted.made_last), (2, 20_000));
    assert_eq!(accepted.closed, Some(20_001));
    assert_eq!((accepted.uses.len(), accepted.uses[0].count), (1, 10_000));
}

#[test]
fn few_files_are_apart_and_many_are_one() {
    for (files, records) in [(2, 2), (APART, APART), (APART + 1, 1), (1000, 1)] {
        let mut image = Growing::new(0, 0, false);
        for file in 0..files {
            image.clock += 1;
            let record = image.made(3, opened(&format!("/d/{file}")), Object::File, Some(0));
            image.used(record, read(), 0, None, 1);
            image.clock += 1;
            image.closed(record, false);
        }
        let image = image.finish();
        assert_eq!(image.descriptors.len(), records, "{files}");
        let uses = image.descriptors.iter().flat_map(|descriptor| &descriptor.uses);
        assert_eq!(uses.map(|used| used.count).sum::<u64>(), files as u64);
    }
}

#[test]
fn names_past_the_bound_share_a_record_with_their_siblings() {
    let mut image = Growing::new(0, 0, false);
    for file in 0..NAMES_BOUND + 10 {
        let what = Name::Path {
            path: Text::from(format!("/d/{file}").as_str()),
            accesses: BTreeSet::new(),
            flags: None,
        };
        image.named(read(), what, None, Outcome::Ok);
    }
    assert_eq!(image.cut(), (false, true));
    let names = image.finish().names;
    assert_eq!((names.len(), names[NAMES_BOUND].count), (NAMES_BOUND + 1, 10));
}

proptest! {
    #[test]
    fn folding_does_not_depend_on_numbers(
        steps in proptest::collection::vec((0..4_usize, any::<bool>()), 1..60),
        numbers in proptest::collection::vec(0..1000_i32, 60),
    ) {
        let run = |numbers: &[i32]| {
            let mut image = Growing::new(0, 0, false);
            for (&(what, close), &number) in steps.iter().zip(numbers) {
                image.clock += 1;
                let origin = match what {
                    0 => Origin::Socket,
                    1 => opened("/a"),
                    2 => opened("/b"),
                    _ => Origin::Accepted { from: None },
                };
                let record = image.made(number, origin, Object::Other, None);
                image.used(record, read(), 0, None, 1);
                if close {
                    image.closed(record, false);
                }
            }
            let mut image = image.finish();
            image.descriptors.iter_mut().for_each(|descriptor| descriptor.numbers.clear());
            image
        };
        prop_assert_eq!(run(&numbers), run(&vec![3; numbers.len()]));
    }
}
