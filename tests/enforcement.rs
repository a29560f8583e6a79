//! Under its own generated profile each workload behaves as it did without, and a call that the profile does not
//! contain is denied: by profgen itself, by runc and by crun.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

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
    Profgen { policy: String },
    Runtime { name: &'static str, profile: Value, no_new_privileges: bool },
}

impl Enforcer {
    fn run(&self, scene: &Scene<'_>, prefix: &[&str]) -> Ran {
        match self {
            Enforcer::Profgen { policy } => {
                let mut words = vec![profgen(), "run", "--policy", policy, "--"];
                words.extend(prefix);
                scene.run(&words)
            }
            Enforcer::Runtime { name, profile, no_new_privileges } => {
                oci::run(name, scene, profile, *no_new_privileges, prefix)
            }
        }
    }
}

fn kernel(name: &str) {
    let Some(case) = Case::trace(name, None) else {
        return;
    };
    let policy = case.bundle.path("policy.json").display().to_string();
    let enforcer = Enforcer::Profgen { policy };
    case.behaves(&enforcer);
    // What the runtimes need for themselves is no part of what the workload may do.
    case.is_denied_an_extra_call(&enforcer, &allowed(&case.bundle.emit_oci("none")));
}

fn runc(name: &str) {
    runtime(name, "runc");
}

fn crun(name: &str) {
    runtime(name, "crun");
}

fn runtime(name: &str, runtime: &'static str) {
    let Some(case) = Case::trace(name, Some(runtime)) else {
        return;
    };
    let profile = case.bundle.emit_oci(runtime);
    let enforcer = |no_new_privileges| Enforcer::Runtime {
        name: runtime,
        profile: profile.clone(),
        no_new_privileges,
    };
    // Without no_new_privs the runtime loads the filter earlier, and has more to do under it.
    case.behaves(&enforcer(false));
    case.behaves(&enforcer(true));
    case.is_denied_an_extra_call(&enforcer(true), &allowed(&profile));
}

/// A workload, what it did when nobody watched, and the bundle of one run by each engine.
struct Case {
    workload: Workload,
    native: Ran,
    bundle: Bundle,
}

impl Case {
    /// `None` when the test is skipped.
    fn trace(name: &str, runtime: Option<&str>) -> Option<Case> {
        let workload = Workload::load(name);
        if !workload.enforce {
            println!("not run under its profile, see workloads/{name}.sh");
            return None;
        }
        let obstacle = workload.obstacle();
        if let Some(why) = obstacle.or_else(|| runtime.and_then(oci::obstacle)) {
            skip(&why);
            return None;
        }
        let native = Scene::prepare(&workload).run_native();
        assert_eq!(native.status, workload.status, "status of {name}");
        let bundle = Bundle::new();
        for engine in &workload.engines {
            bundle.trace(&Scene::prepare(&workload), engine);
        }
        Some(Case { workload, native, bundle })
    }

    /// Under its profile it does what it did without.
    fn behaves(&self, enforcer: &Enforcer) {
        let confined = enforcer.run(&Scene::prepare(&self.workload), &[]);
        self.is_same(&confined, "under its profile");
    }

    /// A wrapper that makes one call more is denied that call, and the workload behind it still works.
    fn is_denied_an_extra_call(&self, enforcer: &Enforcer, allowed: &BTreeSet<String>) {
        let name = &self.workload.name;
        if !self.workload.extra {
            return println!("no extra call, see workloads/{name}.sh");
        }
        let wrapper = match fixtures::build("extra-call") {
            Ok(path) => path.display().to_string(),
            Err(why) => return skip(&why),
        };
        let outside = |(_, variants): &(&str, &[&str])| {
            variants.iter().all(|variant| !allowed.contains(*variant))
        };
        let extra = EXTRAS.into_iter().find(outside);
        let (extra, _) = extra.expect("a profile that allows all of these is no profile");
        let ran = enforcer.run(&Scene::prepare(&self.workload), &[&wrapper, extra]);
        // EPERM for a call that is known and denied, ENOSYS for one that a libc falls back from.
        let said = errno_of(&ran, extra);
        assert!(
            matches!(said, Some("1" | "38")),
            "{extra} of {name} was not denied: {said:?}\n{}",
            ran.stderr
        );
        self.is_same(&ran, "behind a denied call");
    }

    fn is_same(&self, confined: &Ran, when: &str) {
        assert_eq!(
            (&*confined.stdout, confined.status),
            (&*self.native.stdout, self.native.status),
            "{} {when} (left) and without (right) differ; stderr: {}",
            self.workload.name,
            confined.stderr
        );
    }
}

/// What the wrapper said of its extra call.
fn errno_of<'a>(ran: &'a Ran, extra: &str) -> Option<&'a str> {
    let prefix = format!("extra-call: {extra}: ");
    ran.stderr.lines().find_map(|line| line.strip_prefix(&prefix))
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

#[test]
fn an_extra_call_is_let_through_without_a_profile() {
    let workload = Workload::load("hello");
    let wrapper = match workload.obstacle() {
        Some(why) => return skip(&why),
        None => fixtures::build("extra-call").expect("gcc is here").display().to_string(),
    };
    for (extra, _) in EXTRAS {
        let ran = Scene::prepare(&workload).run(&[&wrapper, extra]);
        let said = errno_of(&ran, extra);
        let said = said.unwrap_or_else(|| panic!("{extra} says nothing: {}", ran.stderr));
        // ESRCH and EINVAL: those calls that would harm if they did anything.
        assert!(matches!(said, "0" | "3" | "22"), "{extra}: errno {said}");
        assert_eq!(ran.status, 0, "{extra}: {}", ran.stderr);
    }
}
