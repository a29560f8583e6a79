//! What is rendered of more than a policy: systemd's drop-in, Kubernetes' objects, capabilities.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::{allow, small};
use model::{
    Access, Arch, Arguments, Policy, Subject, Sysno, Text,
    landlock::{FsRight, LandlockPolicy, PathRule, Place},
    policy::{EndpointEntry, Evidence, EvidenceKind, ProgramIdentity},
    trace::{Address, EndpointOperation, FileKind, Mark},
};
use profgen_profiles::{
    Options, Rendered, capabilities, kubernetes,
    systemd::{self, Service},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

type Change<'a> = &'a dyn Fn(&mut Policy);
type Capabilities = BTreeMap<String, BTreeSet<String>>;

fn needs(names: &[&str]) -> Capabilities {
    let reason = BTreeSet::from(["bind: takes a port\nUser=root".to_owned()]);
    names.iter().map(|name| ((*name).to_owned(), reason.clone())).collect()
}

/// A program that ran, with a file, an address and a directory that it changes.
fn program() -> (Policy, LandlockPolicy) {
    let mut policy = small();
    let clone = policy.calls.get_mut(&Sysno::from_name(Arch::X86_64, "clone").unwrap()).unwrap();
    let mut flags = Arguments::new(vec!["flags".to_owned()]);
    flags.insert(&[0x0120_0011]);
    clone.origins.observed.as_mut().unwrap().arguments = Some(flags);
    let evidence = Evidence {
        kind: EvidenceKind::Trace,
        command: vec![Text::from("/usr/bin/My App_2"), Text::from("-d")],
        gaps: BTreeSet::new(),
        places: BTreeMap::new(),
        single: true,
        unseen: Default::default(),
        capabilities: None,
    };
    policy.evidence.insert("0000000000000001".to_owned(), evidence);
    let identity = ProgramIdentity { executed: true, ..ProgramIdentity::default() };
    policy.programs.insert(Text::from("/usr/bin/app"), identity);
    policy.programs.insert(Text::from("/usr/lib/libc.so.6"), ProgramIdentity::default());
    file(&mut policy, "/etc/app.conf", FileKind::File, Access::Read);
    file(&mut policy, "/var/lib/app/log", FileKind::File, Access::Write);
    let endpoint = EndpointEntry {
        address: Address::Inet { host: "127.0.0.1".to_owned(), port: 80 },
        socket: Some("stream".to_owned()),
        programs: BTreeSet::new(),
        runs: BTreeSet::new(),
    };
    allow(&mut policy, Arch::X86_64, "bind");
    policy.endpoints.insert(EndpointOperation::Bind, BTreeSet::from([endpoint]));
    let rights = BTreeSet::from([FsRight::WriteFile]);
    let place = Place::absolute(Text::from("/var/lib/app"));
    let landlock = LandlockPolicy {
        handled_fs: FsRight::ALL.iter().copied().collect(),
        rules: BTreeMap::from([(place, PathRule { rights, ..PathRule::default() })]),
        ..LandlockPolicy::default()
    };
    (policy, landlock)
}

fn file(policy: &mut Policy, path: &str, found: FileKind, access: Access) {
    let entry = policy.files.entry(Text::from(path)).or_default();
    entry.found.insert(found);
    entry.done.insert(access);
}

fn service(policy: &Policy, landlock: &LandlockPolicy, capabilities: &Capabilities) -> Rendered {
    systemd::render(Service { policy, landlock, capabilities }).unwrap()
}

/// The values of a directive.
fn values<'a>(rendered: &'a Rendered, directive: &str) -> Vec<&'a str> {
    let lines = rendered.text.lines();
    lines.filter_map(|line| line.strip_prefix(directive)?.strip_prefix('=')).collect()
}

#[test]
fn a_drop_in_with_a_reason_for_each_directive() {
    let (policy, landlock) = program();
    insta::assert_snapshot!(service(&policy, &landlock, &needs(&["CAP_NET_BIND_SERVICE"])).text);
}

#[test]
fn each_kind_of_evidence_takes_its_directive_away() {
    let (policy, landlock) = program();
    let all = service(&policy, &landlock, &Capabilities::new());
    let with = |change: Change<'_>| {
        let mut policy = policy.clone();
        change(&mut policy);
        service(&policy, &landlock, &Capabilities::new())
    };
    let mark = |policy: &mut Policy, mark| {
        let entry = policy.calls.values_mut().find(|entry| entry.origins.observed.is_some());
        entry.unwrap().origins.observed.as_mut().unwrap().marks.insert(mark);
    };
    let uses = |path: &'static str, access| {
        move |policy: &mut Policy| file(policy, path, FileKind::File, access)
    };
    let calls = |names: &'static str| move |policy: &mut Policy| allow(policy, Arch::X86_64, names);
    let rows: [(&str, Change<'_>); 16] = [
        ("NoNewPrivileges", &|policy| mark(policy, Mark::GainsPrivileges)),
        ("RestrictSUIDSGID", &|policy| mark(policy, Mark::SetsIdBit)),
        ("MemoryDenyWriteExecute", &|policy| {
            policy.programs.values_mut().for_each(|program| program.write_and_execute = true);
        }),
        ("RestrictNamespaces", &calls("setns")),
        ("RestrictRealtime", &calls("sched_setattr")),
        ("ProtectClock", &calls("clock_settime")),
        ("ProtectHostname", &calls("sethostname")),
        ("ProtectKernelModules", &uses("/usr/lib/modules/6/x.ko", Access::Read)),
        ("ProtectKernelLogs", &uses("/dev/kmsg", Access::Read)),
        ("ProtectKernelTunables", &uses("/proc/sys/vm/x", Access::Write)),
        ("ProtectControlGroups", &uses("/sys/fs/cgroup/x", Access::Write)),
        ("LockPersonality", &calls("personality")),
        ("PrivateDevices", &uses("/dev/sda", Access::Read)),
        ("PrivateTmp", &uses("/tmp/of-another", Access::Read)),
        ("ProtectProc", &uses("/proc/1/stat", Access::Read)),
        ("ProtectHome", &uses("/home/me/x", Access::Write)),
    ];
    for (directive, change) in rows {
        assert_eq!(values(&all, directive).len(), 1, "{directive}: {}", all.text);
        assert_eq!(values(&with(change), directive), [""; 0], "{directive}");
    }
    // What was only looked at stays visible.
    for (directive, path, left) in [
        ("ProtectKernelTunables", "/proc/sys/vm/x", "yes"),
        ("ProtectControlGroups", "/sys/fs/cgroup/x", "yes"),
        ("ProtectHome", "/home/me/x", "read-only"),
    ] {
        assert_eq!(values(&with(&uses(path, Access::Read)), directive), [left]);
    }
}

#[test]
fn a_service_that_changes_its_user_gets_no_ambient_capabilities() {
    let (policy, landlock) = program();
    let ambient = |names: &[&str]| {
        values(&service(&policy, &landlock, &needs(names)), "AmbientCapabilities").join(" ")
    };
    assert_eq!(ambient(&["CAP_NET_RAW"]), "CAP_NET_RAW");
    assert_eq!(ambient(&["CAP_NET_RAW", "CAP_SETUID"]), "");
}

#[test]
fn names_of_others_cannot_add_a_line() {
    let (mut policy, landlock) = program();
    file(&mut policy, "/srv/a\nUser=root", FileKind::File, Access::Write);
    file(&mut policy, "/dev/x\nUser=root", FileKind::CharDevice, Access::Read);
    policy.programs.entry(Text::from("/opt/x\nUser=root")).or_default().executed = true;
    let decided = Subject::parse("CAP_NET_RAW").unwrap().to_string();
    let service = service(&policy, &landlock, &needs(&[&decided]));
    assert!(!service.text.lines().any(|line| line.starts_with("User")), "{}", service.text);
    let listed = capabilities::render(&needs(&["CAP_NET_RAW"]), None, Vec::new());
    assert!(!listed.text.lines().any(|line| line.starts_with("User")), "{}", listed.text);
}

#[test]
fn kubernetes_gets_a_profile_and_the_context_that_uses_it() {
    let (policy, _) = program();
    let options = Options::default();
    let needs = needs(&["CAP_NET_BIND_SERVICE"]);
    let rendered = kubernetes::render(&policy, &options, &needs).unwrap();
    insta::assert_snapshot!(rendered.text);
    // The rules are those of the OCI profile.
    let oci = profgen_profiles::format("oci").unwrap().render(&policy, &options).unwrap();
    let oci: Value = serde_json::from_str(&oci.text).unwrap();
    for entry in oci["syscalls"].as_array().unwrap() {
        for name in entry["names"].as_array().unwrap() {
            let name = format!("    - {}\n", name.as_str().unwrap());
            assert!(rendered.text.contains(&name), "{name}");
        }
    }
    assert_eq!(
        rendered.text.matches("  - action:").count(),
        oci["syscalls"].as_array().unwrap().len()
    );
}

#[test]
fn capabilities_are_given_in_one_form_or_in_all() {
    let needs = needs(&["CAP_CHOWN", "CAP_NET_RAW"]);
    let form = |name: &str| {
        let form = name.parse().unwrap();
        capabilities::render(&needs, Some(form), Vec::new()).text
    };
    assert_eq!(form("docker"), "--cap-drop ALL --cap-add CHOWN --cap-add NET_RAW\n");
    assert_eq!(form("systemd"), "CapabilityBoundingSet=CAP_CHOWN CAP_NET_RAW\n");
    let oci: Value = serde_json::from_str(&form("oci")).unwrap();
    assert_eq!(oci["bounding"], serde_json::json!(["CAP_CHOWN", "CAP_NET_RAW"]));
    assert!(form("kubernetes").contains("    add: [\"CHOWN\", \"NET_RAW\"]\n"));
    let all = capabilities::render(&needs, None, Vec::new()).text;
    for name in ["docker", "systemd", "oci", "kubernetes"] {
        assert!(all.contains(&form(name)), "{name}: {all}");
    }
    assert!("runc".parse::<capabilities::Form>().is_err());
}
