//! What Landlock is asked to grant, for what runs did.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use model::{
    Access::{self, *},
    Decision, Policy, Subject, Text, Verdict,
    landlock::{FsRight, LandlockPolicy, NetRight, Scope},
    policy::{EndpointEntry, Evidence, EvidenceKind, ProgramIdentity},
    testing,
    trace::{Address, EndpointOperation, FileKind},
};
use profgen_merger::paths::{PathOptions, Paths, landlock, suggestions, summary};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const RUN: &str = "0000000000000001";

/// A run of /bin/a from /srv/work, with /home/me as its home.
fn policy() -> Policy {
    let mut policy = Policy::default();
    let place = |name: &str, path: &str| (name.to_owned(), Text::from(path));
    let evidence = Evidence {
        kind: EvidenceKind::Trace,
        command: Vec::new(),
        gaps: BTreeSet::new(),
        places: BTreeMap::from([place("CWD", "/srv/work"), place("HOME", "/home/me/")]),
        single: false,
        capabilities: None,
        unseen: Default::default(),
    };
    policy.evidence.insert(RUN.to_owned(), evidence);
    let program = ProgramIdentity { executed: true, ..ProgramIdentity::default() };
    policy.programs.insert(Text::from("/bin/a"), program);
    policy
}

fn file(policy: &mut Policy, path: &str, found: FileKind, done: &[Access]) {
    let entry = policy.files.entry(Text::from(path)).or_default();
    entry.done.extend(done);
    entry.found.insert(found);
    entry.runs.insert(RUN.to_owned());
}

fn exact(policy: &Policy) -> LandlockPolicy {
    landlock(policy, PathOptions { paths: Paths::Exact, ..PathOptions::default() })
}

/// Each place, with its rights.
fn rules(landlock: &LandlockPolicy) -> BTreeMap<String, String> {
    let names = |rights: &BTreeSet<FsRight>| {
        rights.iter().map(|right| right.name()).collect::<Vec<_>>().join(" ")
    };
    landlock.rules.iter().map(|(place, rule)| (place.to_string(), names(&rule.rights))).collect()
}

fn only(rows: &[(&str, &str)]) -> BTreeMap<String, String> {
    let program = ("/bin/a", "execute read_file");
    rows.iter().chain([&program]).map(|(at, what)| ((*at).to_owned(), (*what).to_owned())).collect()
}

#[test]
fn a_file_that_is_there_gets_a_rule_of_its_own() {
    let mut policy = policy();
    file(&mut policy, "/etc/passwd", FileKind::File, &[Read, Metadata]);
    file(&mut policy, "/var/log/a", FileKind::File, &[Write, Create]);
    file(&mut policy, "/etc/none", FileKind::Absent, &[Metadata]);
    file(&mut policy, "/opt", FileKind::Directory, &[List, Enter]);
    assert_eq!(
        rules(&exact(&policy)),
        only(&[
            ("/etc/passwd", "read_file"),
            ("/var/log/a", "write_file truncate"),
            ("/opt", "read_dir"),
        ])
    );
}

#[test]
fn what_a_run_makes_is_granted_through_the_directory_that_was_there() {
    let mut policy = policy();
    file(&mut policy, "/var/cache/a", FileKind::Absent, &[MakeDirectory]);
    file(&mut policy, "/var/cache/a/b", FileKind::Absent, &[Create, Write]);
    file(&mut policy, "/var/cache/a/b", FileKind::File, &[Read, Remove]);
    assert_eq!(
        rules(&exact(&policy)),
        only(&[("/var/cache", "write_file read_file remove_file make_dir make_reg truncate")])
    );
}

#[test]
fn directories_of_the_user_are_variables() {
    let mut policy = policy();
    file(&mut policy, "/home/me/.arc", FileKind::File, &[Read]);
    file(&mut policy, "/srv/work/in", FileKind::File, &[Read]);
    file(&mut policy, "/home/meager/x", FileKind::File, &[Read]);
    let landlock = exact(&policy);
    assert_eq!(
        rules(&landlock),
        only(&[
            ("${HOME}/.arc", "read_file"),
            ("${CWD}/in", "read_file"),
            ("/srv/work/in", "read_file"),
            ("/home/meager/x", "read_file"),
        ])
    );
    assert_eq!(landlock.variables["HOME"], BTreeSet::from([Text::from("/home/me")]));
}

#[test]
fn links_are_granted_where_they_lead_and_descriptors_are_no_files() {
    let mut policy = policy();
    file(&mut policy, "/etc/link", FileKind::File, &[Read]);
    file(&mut policy, "/dev/fd/3", FileKind::File, &[Read]);
    file(&mut policy, "/proc/self/fd/4", FileKind::Fifo, &[Write]);
    let lead = |policy: &mut Policy, from: &str, to: &str| {
        policy.files.get_mut(&Text::from(from)).unwrap().resolved.insert(Text::from(to));
    };
    lead(&mut policy, "/etc/link", "/opt/real");
    lead(&mut policy, "/dev/fd/3", "/opt/open");
    lead(&mut policy, "/proc/self/fd/4", "/proc/12/fd/pipe:[77]");
    assert_eq!(
        rules(&exact(&policy)),
        only(
            &[("/etc/link", "read_file"), ("/opt/real", "read_file"), ("/opt/open", "read_file"),]
        )
    );
}

#[test]
fn processes_of_their_own_need_all_of_proc_unless_there_was_one_only() {
    let mut policy = policy();
    file(&mut policy, "/proc/self/maps", FileKind::File, &[Read]);
    assert_eq!(rules(&exact(&policy)), only(&[("/proc", "read_file")]));
    let notes = exact(&policy).notes;
    assert!(notes[0].starts_with("/proc: a directory of the system is granted whole"), "{notes:?}");
    policy.evidence.get_mut(RUN).unwrap().single = true;
    assert_eq!(rules(&exact(&policy)), only(&[("/proc/self/maps", "read_file")]));
}

#[test]
fn moves_between_directories_level_their_rights() {
    let mut policy = policy();
    file(&mut policy, "/opt/a/x", FileKind::File, &[RenameFrom]);
    file(&mut policy, "/opt/a/y", FileKind::Absent, &[RenameTo]);
    let within = "remove_file make_reg";
    assert_eq!(rules(&exact(&policy)), only(&[("/opt/a", within)]), "one directory needs no refer");
    file(&mut policy, "/opt/b/z", FileKind::Absent, &[RenameTo, Create, Write]);
    let all = "write_file remove_file make_reg refer truncate";
    assert_eq!(rules(&exact(&policy)), only(&[("/opt/a", all), ("/opt/b", all)]));
    let old = landlock(&policy, PathOptions { abi: 1, ..PathOptions::default() });
    assert!(old.handled_fs.is_empty() && old.rules.is_empty());
    assert!(old.notes[0].contains("ABI 1 refuses"), "{:?}", old.notes);
}

#[test]
fn a_failure_is_granted_only_where_landlock_would_change_it() {
    let mut policy = policy();
    for (path, found, tried) in [
        ("/opt/full", FileKind::Directory, RemoveDirectory),
        ("/opt/gone", FileKind::Absent, Remove),
        ("/opt/script", FileKind::File, Execute),
        ("/etc/shadow", FileKind::File, Read),
        ("/dev/tty", FileKind::CharDevice, Read),
    ] {
        file(&mut policy, path, found, &[]);
        policy.files.get_mut(&Text::from(path)).unwrap().tried.insert(tried);
    }
    assert_eq!(
        rules(&exact(&policy)),
        only(&[
            ("/opt", "remove_dir"),
            ("/opt/script", "execute read_file"),
            ("/dev/tty", "read_file"),
        ])
    );
}

#[test]
fn many_siblings_and_made_up_names_become_the_directory() {
    let mut policy = policy();
    for number in [4711, 12, 99] {
        file(&mut policy, &format!("/opt/jobs/job-{number}"), FileKind::File, &[Read]);
        file(&mut policy, &format!("/etc/job-{number}"), FileKind::File, &[Read]);
    }
    for letter in 'a'..='p' {
        file(&mut policy, &format!("/opt/lib/{letter}"), FileKind::File, &[Read]);
        file(&mut policy, &format!("/opt/bin/{letter}"), FileKind::File, &[Execute]);
    }
    let balanced = landlock(&policy, PathOptions::default());
    let shown = rules(&balanced);
    assert_eq!(shown["/opt/jobs"], "read_file");
    assert_eq!(shown["/opt/lib"], "read_file");
    assert_eq!(shown["/etc/job-12"], "read_file", "guarded: {shown:?}");
    assert_eq!(shown["/opt/bin/a"], "execute read_file", "programs are named one by one");
    assert!(!shown.contains_key("/opt/bin") && !shown.contains_key("/etc"), "{shown:?}");
    assert_eq!(rules(&exact(&policy)).len(), 3 + 3 + 16 + 16 + 1);
    let lines = summary(&balanced, |path| (*path == Text::from("/opt/jobs")).then_some(214));
    let jobs =
        "/opt/jobs: 3 used, 214 reachable by the rule (read_file); its names are made up: job-#";
    assert!(lines.iter().any(|line| line == jobs), "{lines:#?}");
}

#[test]
fn a_run_that_mounts_cannot_have_rules_on_files() {
    let mut policy = policy();
    file(&mut policy, "/etc/passwd", FileKind::File, &[Read]);
    let mount = model::Sysno::from_name(model::Arch::X86_64, "mount").unwrap();
    let mut entry = model::policy::Entry::default();
    entry.origins.observed = Some(model::policy::Observed::default());
    policy.calls.insert(mount, entry);
    let landlock = exact(&policy);
    assert!(landlock.handled_fs.is_empty() && landlock.rules.is_empty());
    assert!(landlock.notes[0].contains("called mount"), "{:?}", landlock.notes);
    assert!(!landlock.handled_net.is_empty());
}

#[test]
fn ports_are_those_of_tcp_and_not_those_that_the_kernel_chooses() {
    let mut policy = policy();
    let mut used = |operation, port, socket: &str| {
        let address = Address::Inet { host: "127.0.0.1".to_owned(), port };
        let entry = EndpointEntry {
            address,
            socket: Some(socket.to_owned()),
            programs: BTreeSet::new(),
            runs: BTreeSet::new(),
        };
        policy.endpoints.entry(operation).or_default().insert(entry);
    };
    used(EndpointOperation::Connect, 443, "stream");
    used(EndpointOperation::Connect, 53, "datagram");
    used(EndpointOperation::Bind, 8080, "stream");
    let before = exact(&policy);
    assert_eq!(
        before.ports,
        BTreeMap::from([
            (443, BTreeSet::from([NetRight::ConnectTcp])),
            (8080, BTreeSet::from([NetRight::BindTcp])),
        ])
    );
    assert_eq!(before.scoped, Scope::ALL.iter().copied().collect());
    let mut used = |operation, port| {
        let address = Address::Inet { host: "::1".to_owned(), port };
        let (programs, runs) = (BTreeSet::new(), BTreeSet::new());
        let entry = EndpointEntry { address, socket: Some("stream".to_owned()), programs, runs };
        policy.endpoints.entry(operation).or_default().insert(entry);
    };
    used(EndpointOperation::Bind, 0);
    used(EndpointOperation::Listen, 40123);
    used(EndpointOperation::Connect, 40123);
    let after = exact(&policy);
    assert_eq!(after.handled_net, BTreeSet::from([NetRight::BindTcp]));
    assert!(after.notes[0].contains("port 40123"), "{:?}", after.notes);
}

fn decide(policy: &mut Policy, subject: &str, verdict: Verdict) {
    let reason = "for the test".to_owned();
    policy.decisions.insert(Subject::parse(subject).unwrap(), Decision { verdict, reason });
}

#[test]
fn a_guarded_directory_is_writable_only_by_decision_and_that_is_said() {
    let mut policy = policy();
    file(&mut policy, "/etc/foo", FileKind::Absent, &[Create, Write]);
    file(&mut policy, "/etc/passwd", FileKind::File, &[Read]);
    let before = exact(&policy);
    assert_eq!(rules(&before), only(&[("/etc/passwd", "read_file")]));
    let note = &before.notes[0];
    assert!(note.starts_with("/etc: not granted (write_file, make_reg, truncate)"), "{note}");
    assert!(note.contains("/etc/foo") && note.contains("decide POLICY allow /etc"), "{note}");
    decide(&mut policy, "/etc", Verdict::Allow);
    let after = exact(&policy);
    assert!(rules(&after)["/etc"].contains("make_reg"), "{:?}", rules(&after));
    assert_eq!(after.notes, [""; 0], "the decision says so itself");
}

#[test]
fn a_path_that_is_denied_is_granted_by_no_rule() {
    let mut policy = policy();
    for path in ["/opt/a/one", "/opt/a/two", "/opt/b/one"] {
        file(&mut policy, path, FileKind::File, &[Read]);
    }
    file(&mut policy, "/opt/c/made", FileKind::Absent, &[Create]);
    decide(&mut policy, "/opt/a", Verdict::Deny);
    decide(&mut policy, "/opt/c/secret", Verdict::Deny);
    let landlock = exact(&policy);
    assert_eq!(rules(&landlock), only(&[("/opt/b/one", "read_file")]));
    assert!(landlock.notes[0].starts_with("/opt/c: not granted: /opt/c/secret"), "{landlock:?}");
    // Of two decisions the denial counts.
    decide(&mut policy, "/opt", Verdict::Allow);
    assert!(!rules(&exact(&policy)).contains_key("/opt"));
}

#[test]
fn siblings_do_not_become_a_directory_that_holds_something_denied() {
    let mut policy = policy();
    for number in 0..20 {
        file(&mut policy, &format!("/opt/jobs/job-{number}"), FileKind::File, &[Read]);
    }
    assert!(rules(&landlock(&policy, PathOptions::default())).contains_key("/opt/jobs"));
    decide(&mut policy, "/opt/jobs/job-7", Verdict::Deny);
    let shown = rules(&landlock(&policy, PathOptions::default()));
    assert!(
        !shown.contains_key("/opt/jobs") && !shown.contains_key("/opt/jobs/job-7"),
        "{shown:?}"
    );
    assert_eq!(shown["/opt/jobs/job-8"], "read_file");
}

#[test]
fn a_port_is_what_was_decided() {
    let mut policy = policy();
    decide(&mut policy, "tcp:443", Verdict::Allow);
    decide(&mut policy, "tcp:80", Verdict::Deny);
    decide(&mut policy, "udp:53", Verdict::Deny);
    let entry = EndpointEntry {
        address: Address::Inet { host: "127.0.0.1".to_owned(), port: 80 },
        socket: Some("stream".to_owned()),
        programs: BTreeSet::new(),
        runs: BTreeSet::new(),
    };
    policy.endpoints.insert(EndpointOperation::Connect, BTreeSet::from([entry]));
    let landlock = exact(&policy);
    let both = BTreeSet::from([NetRight::BindTcp, NetRight::ConnectTcp]);
    assert_eq!(landlock.ports, BTreeMap::from([(443, both)]));
    assert!(landlock.notes.iter().any(|note| note.contains("udp:53")), "{:?}", landlock.notes);
}

#[test]
fn only_directories_between_which_something_moved_get_equal_rights() {
    let mut policy = policy();
    let mut moved = |from: &str, to: &str| {
        file(&mut policy, from, FileKind::File, &[RenameFrom]);
        file(&mut policy, to, FileKind::Absent, &[RenameTo]);
        policy.files.get_mut(&Text::from(from)).unwrap().moves.insert(Text::from(to));
    };
    moved("/opt/a/x", "/opt/b/x");
    moved("/opt/c/y", "/opt/c/z");
    moved("/opt/d/v", "/opt/e/v");
    file(&mut policy, "/opt/e/made", FileKind::Absent, &[MakeDirectory]);
    assert_eq!(
        rules(&exact(&policy)),
        only(&[
            ("/opt/a", "remove_file make_reg refer"),
            ("/opt/b", "remove_file make_reg refer"),
            ("/opt/c", "remove_file make_reg"),
            ("/opt/d", "remove_file make_dir make_reg refer"),
            ("/opt/e", "remove_file make_dir make_reg refer"),
        ])
    );
}

#[test]
fn the_first_process_finds_itself_in_proc_and_others_need_all_of_it() {
    let mut policy = policy();
    file(&mut policy, "/proc/self/status", FileKind::File, &[Read]);
    let status = policy.files.get_mut(&Text::from("/proc/self/status")).unwrap();
    status.resolved.insert(Text::from("/proc/4711/status"));
    status.own = true;
    assert_eq!(rules(&exact(&policy)), only(&[("/proc/self/status", "read_file")]));
    policy.files.get_mut(&Text::from("/proc/self/status")).unwrap().own = false;
    assert_eq!(rules(&exact(&policy)), only(&[("/proc", "read_file")]));
}

#[test]
fn paths_that_code_holds_are_suggested_and_never_granted() {
    let mut policy = policy();
    file(&mut policy, "/etc/passwd", FileKind::File, &[Read]);
    let before = exact(&policy);
    let opens = ["/etc/app.conf", "/etc/passwd", "/usr/share/x", "/etc/%s"].map(Text::from);
    policy.programs.get_mut(&Text::from("/bin/a")).unwrap().opens = opens.into();
    assert_eq!(exact(&policy), before);
    let suggested: Vec<String> = suggestions(&policy).keys().map(|path| path.to_string()).collect();
    assert_eq!(suggested, ["/etc/app.conf"]);
    decide(&mut policy, "/etc/app.conf", Verdict::Allow);
    assert!(suggestions(&policy).is_empty());
    assert!(rules(&exact(&policy)).contains_key("/etc/app.conf"));
}

proptest! {
    #[test]
    fn no_policy_gives_a_rule_that_an_abi_lacks(policy in testing::policy(), abi in 0..8u32) {
        let landlock = landlock(&policy, PathOptions { abi, paths: Paths::Balanced });
        for rule in landlock.rules.values() {
            prop_assert!(!rule.rights.is_empty() && rule.rights.is_subset(&landlock.handled_fs));
        }
        for rights in landlock.ports.values() {
            prop_assert!(!rights.is_empty() && rights.is_subset(&landlock.handled_net));
        }
        prop_assert!(landlock.handled_fs.iter().all(|right| right.abi() <= abi));
        prop_assert!(landlock.scoped.iter().all(|scope| scope.abi() <= abi));
    }
}
