//! Which calls wait for work, and which stay allowed whenever runs showed them: rows of
//! `data/serving.tsv`.

use model::{
    confinement::{Role, UseKey},
    descriptor::Object,
};
use std::{collections::BTreeSet, sync::LazyLock};

/// A row.
struct Row {
    job: &'static str,
    call: &'static str,
    of: &'static str,
    reason: &'static str,
}

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("../../data/serving.tsv").lines();
    let rows = lines.filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let mut next = || cells.next();
        Some(Row { job: next()?, call: next()?, of: next()?, reason: next()? })
    });
    rows.collect()
});

// linux/net.h
const SOCK_DGRAM: u16 = 2;

/// Whether a use of a role waits for work, in a process with a socket to serve by or without: which
/// row says so.
pub(super) fn waits(role: &Role, key: &UseKey, serves: bool) -> Option<usize> {
    let kinds = kinds(role);
    ROWS.iter().position(|row| {
        let known = row.job == "wait" && row.call == key.call && kinds.contains(row.of);
        known && (row.of != "epoll" || serves)
    })
}

/// Whether requests come in by it.
pub(super) fn serves(role: &Role) -> bool {
    !kinds(role).is_disjoint(&["listening", "bound"].into())
}

/// What it is to a server.
fn kinds(role: &Role) -> BTreeSet<&'static str> {
    let done = |calls: &[&str]| role.uses.keys().any(|key| calls.contains(&&*key.call));
    let mut kinds = BTreeSet::new();
    match role.object {
        Object::Epoll => drop(kinds.insert("epoll")),
        Object::Socket(_) if done(&["listen", "accept", "accept4"]) => {
            kinds.insert("listening");
        }
        Object::Socket(socket) if socket.kind == SOCK_DGRAM && done(&["bind"]) => {
            kinds.insert("bound");
        }
        _ => {}
    }
    kinds
}

/// Why a call stays, in a program with or without threads.
pub(super) fn kept(call: &str, threads: bool) -> Option<&'static str> {
    let rows = ROWS.iter().filter(|row| row.job == "keep" && row.call == call);
    rows.filter(|row| row.of != "thread" || threads).map(|row| row.reason).next()
}

/// Whether it stays for the sake of the allocator, which never asks for memory that can be executed.
pub(super) fn of_memory(call: &str) -> bool {
    ROWS.iter().any(|row| row.job == "keep" && row.of == "memory" && row.call == call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Arch, Sysno};

    #[test]
    fn each_row_is_of_a_known_call_and_has_a_reason() {
        let jobs = [("wait", "listening"), ("wait", "bound"), ("wait", "epoll")];
        let jobs: BTreeSet<_> =
            jobs.into_iter().chain([("keep", "memory"), ("keep", "thread")]).collect();
        for row in ROWS.iter() {
            assert!(jobs.contains(&(row.job, row.of)), "{} of {}", row.job, row.of);
            assert!(Sysno::from_name(Arch::X86_64, row.call).is_some(), "{}", row.call);
            assert!(!row.reason.is_empty());
        }
        let lines = include_str!("../../data/serving.tsv").lines();
        assert_eq!(ROWS.len(), lines.filter(|line| !line.starts_with('#')).count());
    }
}
