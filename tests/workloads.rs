//! The workloads themselves, without profgen: a test that compares runs is worth what its workloads are.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use support::run::Scene;
use support::workload::Workload;
use support::{skip, workload_tests};

/// Ends as its file says, the same three times.
fn check(name: &str) {
    let workload = Workload::load(name);
    if let Some(why) = workload.obstacle() {
        return skip(&why);
    }
    let first = Scene::prepare(&workload).run_native();
    println!("{name}: {:?}\n{}{}", first.took, first.stdout, first.stderr);
    assert_eq!(first.status, workload.status, "status of {name}");
    for _ in 0..2 {
        let again = Scene::prepare(&workload).run_native();
        assert_eq!(again.stdout, first.stdout, "output of {name} changes from run to run");
        assert_eq!(again.status, first.status, "status of {name} changes from run to run");
    }
}

workload_tests!(check);
