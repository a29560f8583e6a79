//! What no run showed and code can do: allowed, withheld, or denied.

use crate::{
    scene::{ARCH, Scene, built, read_json, valid},
    support::skip,
};
use std::fs;

#[test]
fn what_code_can_do_is_allowed_if_it_is_ordinary_and_withheld_if_it_is_not() {
    let Some(program) = built("guarded") else { return skip("no gcc") };
    let scene = Scene::new();
    let ran = scene.profgen(&["trace", "-o", "b", "--", &program]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "done\n"), "{ran:?}");
    assert!(ran.stderr.contains(" predicted, ") && ran.stderr.contains("report.md"), "{ran:?}");

    let analysis = read_json(&scene.path("b/analysis.json"));
    valid(&analysis, "analysis");
    let policy = read_json(&scene.path("b/policy.json"));
    valid(&policy, "policy");
    let unlink = &policy["calls"][ARCH]["unlink"]["origins"];
    assert!(unlink["observed"].is_null(), "{unlink}");
    let chain = unlink["predicted"]["chain"].as_array().expect("a chain");
    assert!(chain.iter().any(|link| link.as_str().unwrap().contains(":main+0x")), "{chain:?}");
    assert!(policy["calls"][ARCH]["mount"].is_null());
    let mount = policy["withheld"][ARCH]["mount"]["reason"].as_str().expect("a reason");
    assert!(mount.contains("its group is sensitive: mount"), "{mount}");

    // Under the policy the ordinary path works, and what is withheld is denied.
    scene.write("file", "");
    let run = |argument: &str| {
        // Which files code opens is not predicted: Landlock knows what runs did.
        scene.profgen(&["run", "--no-landlock", "--policy", "b", "--", &program, argument])
    };
    assert_eq!(run("unlink").stdout, "done\n");
    assert!(!scene.path("file").exists());
    let audit = scene.profgen(&["run", "--audit", "--policy", "b", "--", &program, "mount"]);
    assert_eq!(audit.status, 1);
    assert!(audit.stderr.contains("mount("), "{audit:?}");
    // The code shows a family of sockets that is not ordinary: no run made one, so nothing allows it.
    assert_eq!(run("socket").stdout, "0\ndone\n");

    let explain = scene.profgen(&["explain", "b", "mount"]);
    assert_eq!(explain.status, 0);
    assert!(explain.stdout.contains("mount is withheld on"), "{}", explain.stdout);
    assert!(explain.stdout.contains(":main+0x"), "{}", explain.stdout);
    let report = fs::read_to_string(scene.path("b/report.md")).unwrap();
    assert!(report.contains("## To decide") && report.contains("`x86_64 mount`"), "{report}");

    // A person decides; a stricter strategy withholds more.
    let decide = ["decide", "b", "allow", "mount", "--reason", "it mounts"];
    assert_eq!(scene.profgen(&decide).status, 0);
    let policy = read_json(&scene.path("b/policy.json"));
    assert!(!policy["calls"][ARCH]["mount"].is_null());
    assert_eq!(
        scene.profgen(&["merge", "-q", "-o", "tight", "--strategy", "observed", "b"]).status,
        0
    );
    let tight = read_json(&scene.path("tight"));
    assert!(tight["calls"][ARCH]["unlink"].is_null(), "only as a variant, or not at all");
    assert_eq!(tight["withheld"][ARCH]["unlink"]["reason"], "predicted, and no run made it");
}

#[test]
fn a_further_run_adds_its_programs_to_the_analysis() {
    let (Some(guarded), Some(sockets)) = (built("guarded"), built("sockets")) else {
        return skip("no gcc");
    };
    let scene = Scene::new();
    for program in [&guarded, &sockets] {
        assert_eq!(scene.profgen(&["trace", "-q", "-o", "b", "--", program]).status, 0);
    }
    let analysis = read_json(&scene.path("b/analysis.json"));
    let programs = analysis["programs"].as_array().expect("programs");
    let paths: Vec<&str> =
        programs.iter().map(|program| program["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths.iter().any(|path| *path == guarded) && paths.iter().any(|path| *path == sockets));
    let merged = scene.profgen(&["merge", "-o", "-", "b"]);
    let written = fs::read_to_string(scene.path("b/policy.json")).unwrap();
    assert_eq!(merged.stdout, written, "the same evidence, the same bytes");
}

#[test]
fn a_program_that_changed_since_its_run_is_not_analysed_in_its_place() {
    let Some(program) = built("guarded") else { return skip("no gcc") };
    let scene = Scene::new();
    fs::copy(&program, scene.path("app")).unwrap();
    let line = r#""$PROFGEN" trace -o b -- sh -c './app; rm app; cp /bin/true app'"#;
    let ran = scene.sh(line);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "done\n"), "{ran:?}");
    assert!(ran.stderr.contains("/app is not the one that ran, or is gone"), "{ran:?}");
    let analysis = read_json(&scene.path("b/analysis.json"));
    let programs = analysis["programs"].as_array().expect("programs");
    assert!(programs.iter().all(|program| !program["path"].as_str().unwrap().ends_with("/app")));
}
