//! Under its own generated profile each workload behaves as it did without, and a call that the profile does not
//! contain is denied: by profgen itself, by runc and by crun.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::bundle::{Bundle, allowed};
use support::run::{Ran, Scene};
use support::workload::Workload;
use support::{fixtures, oci, profgen, skip, workload_tests};

mod kernel {
    crate::workload_tests!(super::kernel);
}

mod runc {
    crate::workload_tests!(super::runc);
}

mod crun {
    crate::workload_tests!(super::crun);
}

/// Who enforces the profile: a workload goes through each of them.
enum Enforcer {
    Profgen {
        policy: String,
    },
    Runtime {
        name: &'static str,
        profile: Value,
        no_new_privileges: bool,
    },
}

impl Enforcer {
    fn run(&self, scene: &Scene<'_>, prefix: &[&str]) -> Ran {
        match self {
            Enforcer::Profgen { policy } => {
                let mut words = vec![profgen(), "run", "--policy", policy, "--"];
                words.extend(prefix);
                scene.run(&words)
            }
            Enforcer::Runtime {
                name,
                profile,
                no_new_privileges,
            } => oci::run(name, scene, profile, *no_new_privileges, prefix),
        }
    }
}

fn kernel(name: &str) {
    let Some((workload, bundle)) = traced(name, None) else {
        return;
    };
    let policy = bundle.path("policy.json").display().to_string();
    // What the runtimes need for themselves is no part of what the workload may do.
    let allowed = allowed(&bundle.emit_oci("none"));
    check(&workload, &allowed, &Enforcer::Profgen { policy });
}

fn runc(name: &str) {
    runtime(name, "runc");
}

fn crun(name: &str) {
    runtime(name, "crun");
}

fn runtime(name: &str, runtime: &'static str) {
    let Some((workload, bundle)) = traced(name, Some(runtime)) else {
        return;
    };
    let profile = bundle.emit_oci(runtime);
    let allowed = allowed(&profile);
    // Without no_new_privs the runtime loads the filter earlier, and has more to do under it. A set-uid program
    // or a filter of the workload's own are the workload's affair either way.
    for no_new_privileges in [true, false] {
        let enforcer = Enforcer::Runtime {
            name: runtime,
            profile: profile.clone(),
            no_new_privileges,
        };
        check(&workload, &allowed, &enforcer);
    }
}

/// The workload and the bundle of one run by each engine; `None` when the test is skipped.
fn traced(name: &str, runtime: Option<&str>) -> Option<(Workload, Bundle)> {
    let workload = Workload::load(name);
    if !workload.enforce {
        println!("not run under its profile, see workloads/{name}.sh");
        return None;
    }
    if let Some(why) = workload
        .obstacle()
        .or_else(|| runtime.and_then(oci::obstacle))
    {
        skip(&why);
        return None;
    }
    let bundle = Bundle::new();
    for engine in &workload.engines {
        bundle.trace(&Scene::prepare(&workload), engine);
    }
    Some((workload, bundle))
}

fn check(workload: &Workload, allowed: &BTreeSet<String>, enforcer: &Enforcer) {
    let native = Scene::prepare(workload).run_native();
    same(
        workload,
        &native,
        &enforcer.run(&Scene::prepare(workload), &[]),
        "under its profile",
    );
    if !workload.extra {
        return println!("no extra call, see workloads/{}.sh", workload.name);
    }
    let wrapper = match fixtures::build("extra-call") {
        Ok(path) => path.display().to_string(),
        Err(why) => return skip(&why),
    };
    let extra = EXTRAS
        .into_iter()
        .find(|(_, variants)| variants.iter().all(|name| !allowed.contains(*name)));
    let (extra, _) = extra.expect("a profile that allows all of these is no profile");
    let ran = enforcer.run(&Scene::prepare(workload), &[&wrapper, extra]);
    let said = ran
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix(&format!("extra-call: {extra}: ")));
    // EPERM for a call that is known and denied, ENOSYS for one that a libc falls back from.
    assert!(
        matches!(said, Some("1" | "38")),
        "{extra} of {} was not denied: {said:?}\n{}",
        workload.name,
        ran.stderr
    );
    same(workload, &native, &ran, "behind a denied call");
}

/// The extra calls that the wrapper can make, each with the names that give the same power.
const EXTRAS: [(&str, &[&str]); 9] = [
    ("mkdir", &["mkdir", "mkdirat"]),
    ("socket", &["socket", "socketcall"]),
    ("ptrace", &["ptrace"]),
    ("unshare", &["unshare"]),
    ("bpf", &["bpf"]),
    ("memfd_create", &["memfd_create"]),
    ("inotify_init1", &["inotify_init", "inotify_init1"]),
    ("timerfd_create", &["timerfd_create"]),
    ("sched_setparam", &["sched_setparam"]),
];

fn same(workload: &Workload, native: &Ran, confined: &Ran, when: &str) {
    let name = &workload.name;
    assert_eq!(native.status, workload.status, "status of {name}");
    assert_eq!(
        (&*confined.stdout, confined.status),
        (&*native.stdout, native.status),
        "{name} {when} (left) and without (right) differ; stderr: {}",
        confined.stderr
    );
}

#[test]
fn an_extra_call_is_let_through_without_a_profile() {
    let workload = Workload::load("hello");
    let wrapper = match workload.obstacle() {
        Some(why) => return skip(&why),
        None => fixtures::build("extra-call")
            .expect("gcc is here")
            .display()
            .to_string(),
    };
    for (extra, _) in EXTRAS {
        let ran = Scene::prepare(&workload).run(&[&wrapper, extra]);
        let said = ran
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix(&format!("extra-call: {extra}: ")));
        let said = said.unwrap_or_else(|| panic!("{extra} says nothing: {}", ran.stderr));
        // ESRCH and EINVAL: those calls that would harm if they did anything.
        assert!(matches!(said, "0" | "3" | "22"), "{extra}: errno {said}");
        assert_eq!(ran.status, 0, "{extra}: {}", ran.stderr);
    }
}
