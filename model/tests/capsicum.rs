//! The table of rights as a whole, and the laws of their names.

#![allow(clippy::unwrap_used, reason = "a test")]

use profgen_model::{
    Call, Kind,
    capsicum::{Rights, Verdict, needs, verdict},
    descriptor::{Detail, Object},
};
use proptest::{prelude::*, sample::subsequence};

fn all() -> Vec<(&'static str, Rights)> {
    Rights::all().collect()
}

fn union(names: &[(&str, Rights)]) -> Rights {
    names.iter().fold(Rights::NONE, |all, (_, rights)| all | *rights)
}

proptest! {
    #[test]
    fn names_stand_for_just_the_rights(names in subsequence(all(), 0..=12)) {
        let rights = union(&names);
        prop_assert_eq!(Rights::cover(rights.names()), Some(rights));
        let json = serde_json::to_string(&rights).unwrap();
        prop_assert_eq!(serde_json::from_str::<Rights>(&json).unwrap(), rights);
    }

    #[test]
    fn no_fewer_names_do(names in subsequence(all(), 0..=4)) {
        let rights = union(&names);
        let found = rights.names();
        prop_assert!(found.len() <= names.len());
        // Each of them is needed, and no one name stands for two of them.
        for (at, _) in found.iter().enumerate() {
            let mut fewer = found.clone();
            fewer.remove(at);
            prop_assert_ne!(Rights::cover(fewer.iter().copied()), Some(rights));
        }
        if found.len() == 2 {
            prop_assert!(!Rights::all().any(|(_, one)| one == rights));
        }
        if found.len() == 3 {
            let inside: Vec<Rights> =
                Rights::all().map(|(_, one)| one).filter(|one| rights.contains(*one)).collect();
            for one in &inside {
                prop_assert!(!inside.iter().any(|two| *one | *two == rights));
            }
        }
    }

    #[test]
    fn union_is_a_join(one in subsequence(all(), 0..=6), two in subsequence(all(), 0..=6)) {
        let (one, two) = (union(&one), union(&two));
        prop_assert_eq!(one | two, two | one);
        prop_assert_eq!(one | one, one);
        prop_assert!((one | two).contains(one) && (one | two).contains(two));
        prop_assert!(one.without(two).without(one).is_empty());
    }

    #[test]
    fn what_lacks_a_right_is_narrower(names in subsequence(all(), 1..=6)) {
        let rights = union(&names);
        for less in rights.narrower() {
            prop_assert!(rights.contains(less) && less != rights);
            prop_assert_eq!(Rights::cover(less.names()), Some(less));
        }
    }
}

#[test]
fn composites_hold_what_rights_4_says() {
    let named = |name: &str| Rights::named(name).unwrap();
    for (name, parts) in [
        ("PREAD", &["SEEK", "READ"][..]),
        ("PWRITE", &["SEEK", "WRITE"]),
        ("MMAP_R", &["MMAP", "SEEK", "READ"]),
        ("MMAP_RWX", &["MMAP_R", "MMAP_W", "MMAP_X"]),
        ("FSTATAT", &["FSTAT", "LOOKUP"]),
        ("KQUEUE", &["KQUEUE_EVENT", "KQUEUE_CHANGE"]),
        ("RECV", &["READ"]),
        ("SEND", &["WRITE"]),
    ] {
        assert_eq!(Some(named(name)), Rights::cover(parts.iter().copied()), "{name}");
    }
    assert!(named("SEEK").contains(named("SEEK_TELL")));
    assert!(
        Rights::all()
            .filter(|(name, _)| name.ends_with("AT") && *name != "FSTAT")
            .all(|(_, rights)| rights.contains(named("LOOKUP")))
    );
}

#[test]
fn every_call_on_a_descriptor_takes_a_right_or_is_said_to_take_none() {
    let details = [
        Detail::Addressed(false),
        Detail::Fcntl(3),
        Detail::Ioctl(0x5401),
        Detail::Map { prot: 1, shared: false },
        Detail::Seek { tell: false },
        Detail::Open(0),
    ];
    for call in Call::all() {
        for (at, param) in call.params.iter().enumerate() {
            if !matches!(param.kind, Kind::Fd | Kind::Dirfd) || param.name == "group_fd" {
                continue;
            }
            let of = |detail| needs(call.name, at as u8, detail, Object::File);
            let known = of(None).is_some() || details.iter().any(|one| of(Some(*one)).is_some());
            assert!(known, "{} says nothing of {}", call.name, param.name);
        }
    }
}

#[test]
fn every_call_has_a_verdict() {
    for call in Call::all() {
        let (verdict, freebsd, reason) = verdict(call.name).unwrap();
        assert!(reason.ends_with('.'), "{}", call.name);
        assert!(verdict != Verdict::Relative || freebsd.is_some(), "{}", call.name);
    }
    for (name, wanted) in [
        ("openat", Verdict::Relative),
        ("open", Verdict::No),
        ("execve", Verdict::No),
        ("execveat", Verdict::Relative),
        ("bind", Verdict::No),
        ("fork", Verdict::Yes),
        ("wait4", Verdict::No),
        ("kill", Verdict::Own),
        ("signalfd4", Verdict::Linux),
        ("timerfd_create", Verdict::Newer),
    ] {
        assert_eq!(verdict(name).unwrap().0, wanted, "{name}");
    }
}
