//! Profiles that are written differently and do the same are equal; what differs is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use common::small;
use filter::{Action, Relation};
use model::{Arch, Policy, Sysno};
use profgen_profiles::{
    Options, format,
    lower::{Lowered, Machine},
    read::{Input, docker_default, read},
};
use serde_json::{Value, json};

fn lowered(input: &Input) -> Lowered {
    input.lower(&Machine::for_arch(Arch::X86_64)).unwrap()
}

fn of(json: &Value) -> Lowered {
    lowered(&read(json.to_string().as_bytes()).unwrap())
}

fn rendered(policy: &Policy) -> Value {
    let text = format("oci").unwrap().render(policy, &Options::default()).unwrap().text;
    serde_json::from_str(&text).unwrap()
}

#[test]
fn order_and_grouping_make_no_difference() {
    let one = rendered(&small());
    let mut other = one.clone();
    let mut entries = Vec::new();
    for entry in one["syscalls"].as_array().unwrap() {
        for name in entry["names"].as_array().unwrap() {
            let mut single = entry.clone();
            single["names"] = json!([name]);
            entries.push(single);
        }
    }
    entries.reverse();
    other["syscalls"] = json!(entries);
    let comparison = of(&one).compare(&of(&other));
    assert_eq!(comparison.relation, Relation::Equal, "{comparison:?}");
    assert!(comparison.calls.is_empty());
}

#[test]
fn a_policy_and_its_rendering_allow_the_same() {
    let policy = small();
    let own = lowered(&Input::Policy(Box::new(policy.clone())));
    let comparison = own.compare(&of(&rendered(&policy)));
    assert_eq!(comparison.relation, Relation::Equal, "{comparison:?}");
    // What is denied differs where the format cannot say it: other arguments answer ENOSYS.
    for (sysno, change) in &comparison.calls {
        let denied = |action| matches!(action, Action::Errno(_));
        let shifts = change.shifts.iter();
        assert!(shifts.clone().all(|shift| denied(shift.from) && denied(shift.to)), "{sysno}");
    }
}

#[test]
fn docker_s_profile_is_wider_and_says_by_what() {
    let docker = lowered(&Input::Seccomp(docker_default()));
    let own = of(&rendered(&small()));
    let comparison = own.compare(&docker);
    // It denies clone with namespaces, which the policy allows, and allows much that that does not.
    let change = |name: &str| {
        let sysno = Sysno::from_name(Arch::X86_64, name).unwrap();
        comparison.calls.get(&sysno)
    };
    assert_eq!(comparison.relation, Relation::Incomparable);
    assert_eq!(change("ptrace").unwrap().allowed, Relation::Wider);
    assert_eq!(change("clone").unwrap().allowed, Relation::Narrower);
    let socket = change("socket").unwrap();
    // Its 64-bit comparison takes AF_UNIX with anything in the upper half for a family above 40.
    assert_eq!(socket.allowed, Relation::Wider);
    assert!(socket.shifts.iter().any(|shift| shift.to == Action::Allow && shift.example[0] != 1));
    assert!(change("read").is_none());
    assert!(comparison.others.contains_key(&Arch::I386));
}

#[test]
fn a_huge_difference_is_found_fast() {
    let docker = lowered(&Input::Seccomp(docker_default()));
    let nothing = of(&json!({"defaultAction": "SCMP_ACT_KILL_PROCESS"}));
    let comparison = docker.compare(&nothing);
    assert_eq!(comparison.relation, Relation::Narrower);
    assert!(comparison.calls.len() > 700);
    assert_eq!(nothing.compare(&docker).relation, Relation::Wider);
}
