//! Under its own generated profile each workload behaves as it did without, and a call that the profile does not
//! contain is denied: by profgen itself, by runc and by crun.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::bundle::{Bundle, allowed};
use support::run::{Ran, Scene, Stage};
use support::workload::{self, Workload};
use support::{fixtures, is_root, oci, skip, workload_tests};

mod kernel {
    crate::workload_tests!(super::kernel);
}

mod ordinary {
    crate::workload_tests!(super::ordinary);
}

mod runc {
    crate::workload_tests!(super::runc);
}

mod crun {
    crate::workload_tests!(super::crun);
}

/// Who enforces the profile: a workload goes through each of them.
enum Enforcer {
    Profgen { policy: String, options: Vec<String> },
    Runtime { name: &'static str, profile: Value, no_new_privileges: bool },
}

impl Enforcer {
    fn run(&self, scene: &Scene<'_>, prefix: &[&str]) -> Ran {
        match self {
            Enforcer::Profgen { policy, options } => {
                let mut words = vec![&*scene.profgen, "run", "--policy", policy];
                words.extend(options.iter().map(String::as_str));
                words.push("--");
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
    let enforcer = case.by_profgen(&[]);
    case.behaves(&enforcer);
    // What the runtimes need for themselves is no part of what the workload may do.
    case.is_denied_an_extra_call(&enforcer, &allowed(&case.bundle.emit_oci("none")));
    for abi in older_abis(name) {
        case.behaves(&case.by_profgen(&["--landlock-abi", &abi.to_string()]));
    }
    // Nothing that the policy allows is reported.
    if case.workload.engines.contains(&"notify") {
        let ran = case.by_profgen(&["--audit"]).run(&case.scene(), &[]);
        assert_eq!(
            (ran.stderr.matches("would deny").count(), ran.status),
            (0, case.native.status),
            "{ran:?}"
        );
    }
}

/// As a user without rights, who needs no_new_privs and has no capabilities to drop.
fn ordinary(name: &str) {
    if !is_root() {
        return println!("the other tests run as an ordinary user already");
    }
    let workload = Workload::load(name);
    if workload.root_only {
        return println!("makes no sense as an ordinary user");
    }
    let Some(case) = Case::trace_for(workload, None, true) else {
        return;
    };
    case.behaves(&case.by_profgen(&[]));
}

/// The ABIs before this kernel's newest under which a workload runs: two of six, so that each ABI
/// gets a third of the workloads. Under the newest all of them run.
fn older_abis(name: &str) -> [usize; 2] {
    let at = workload::names().iter().position(|known| known == name).expect("a workload");
    [at % 6 + 1, (at + 1 + at / 6 % 5) % 6 + 1]
}

#[test]
fn every_abi_of_landlock_gets_its_share_of_the_workloads() {
    let names = workload::names();
    for abi in 1..=6 {
        let share = names.iter().filter(|name| older_abis(name).contains(&abi)).count();
        assert!(share >= 15, "ABI {abi}: {share} of {}", names.len());
    }
    assert!(names.iter().map(|name| older_abis(name)).all(|[one, other]| one != other));
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
    /// Where an ordinary user finds what it runs.
    stage: Option<Stage>,
}

impl Case {
    /// `None` when the test is skipped.
    fn trace(name: &str, runtime: Option<&str>) -> Option<Case> {
        Case::trace_for(Workload::load(name), runtime, false)
    }

    fn trace_for(workload: Workload, runtime: Option<&str>, ordinary: bool) -> Option<Case> {
        let name = &workload.name;
        if !workload.enforce {
            println!("not run under its profile, see workloads/{name}.sh");
            return None;
        }
        let obstacle = workload.obstacle();
        if let Some(why) = obstacle.or_else(|| runtime.and_then(oci::obstacle)) {
            skip(&why);
            return None;
        }
        let stage = ordinary.then(|| Stage::new(&workload));
        let prepare = || Scene::prepare_for(&workload, stage.as_ref());
        let native = prepare().run_native();
        assert_eq!(native.status, workload.status, "status of {name}: {native:?}");
        let bundle = if ordinary { Bundle::new_ordinary() } else { Bundle::new() };
        for engine in &workload.engines {
            bundle.trace(&prepare(), engine);
        }
        Some(Case { workload, native, bundle, stage })
    }

    fn by_profgen(&self, options: &[&str]) -> Enforcer {
        let policy = self.bundle.path("policy.json").display().to_string();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Enforcer::Profgen { policy, options }
    }

    fn scene(&self) -> Scene<'_> {
        Scene::prepare_for(&self.workload, self.stage.as_ref())
    }

    /// Under its profile it does what it did without.
    fn behaves(&self, enforcer: &Enforcer) {
        let confined = enforcer.run(&self.scene(), &[]);
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
