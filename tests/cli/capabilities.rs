//! Which Linux capabilities a run is said to have needed, by both engines: those without which the
//! kernel would have refused what it did, and no other.

use crate::scene::{ENGINES, Scene, built, read_json};
use crate::support::{find_program, is_root, missing, skip, status_field};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

/// What `emit capabilities` suggests for a run, in the form that Docker takes.
fn suggested(scene: &Scene, engine: &str, words: &[&str]) -> String {
    let options = ["trace", "-q", "--no-static", "--engine", engine, "-o", "c", "--"];
    let ran = scene.profgen(&[&options, words].concat());
    assert!(ran.status < 2, "{engine} {words:?}: {ran:?}");
    let ran = scene.profgen(&["emit", "-q", "capabilities", "c"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran:?}");
    fs::remove_dir_all(scene.path("c")).expect("remove");
    let line = ran.stdout.lines().find(|line| line.starts_with("--cap-drop ALL")).expect("a line");
    line.trim_start_matches("--cap-drop ALL").replace(" --cap-add ", " ").trim().to_owned()
}

/// Those of the capabilities that this root has: in a container it may lack some, and then no run
/// passes a check by them.
fn that_root_has(wanted: &str) -> String {
    const RARE: [(&str, u32); 2] = [("SYS_RESOURCE", 24), ("SYS_NICE", 23)];
    let own = u64::from_str_radix(&status_field("CapEff:"), 16).expect("a set of bits");
    let has = |name: &&str| {
        RARE.iter().find(|(rare, _)| rare == name).is_none_or(|(_, bit)| own & 1 << bit != 0)
    };
    wanted.split(' ').filter(has).collect::<Vec<_>>().join(" ")
}

fn scene_of_root() -> Option<Scene> {
    if !is_root() {
        skip("not root");
        return None;
    }
    Some(Scene::new())
}

/// A file that is another user's, in a directory that is that user's.
fn of_another(scene: &Scene, directory: u32, file: u32) -> String {
    let path = scene.path("theirs");
    if path.exists() {
        fs::remove_dir_all(&path).expect("remove");
    }
    fs::create_dir(&path).expect("make a directory");
    let inside = path.join("file");
    fs::write(&inside, "x").expect("write");
    for (path, mode) in [(&path, directory), (&inside, file)] {
        chown(path, Some(65534), Some(65534)).expect("chown");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
    }
    inside.display().to_string()
}

#[test]
fn acts_on_files_of_others_need_what_their_modes_refuse() {
    let (Some(scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    for engine in ENGINES {
        for (act, directory, file, wanted) in [
            ("read", 0o755, 0o644, ""),
            ("read", 0o755, 0o600, "DAC_READ_SEARCH"),
            ("read", 0o700, 0o644, "DAC_READ_SEARCH"),
            ("stat", 0o755, 0o000, ""),
            ("stat", 0o700, 0o644, "DAC_READ_SEARCH"),
            ("write", 0o755, 0o644, "DAC_OVERRIDE"),
            ("write", 0o700, 0o600, "DAC_OVERRIDE"),
            ("write", 0o755, 0o666, ""),
            ("both", 0o755, 0o622, "DAC_OVERRIDE"),
            ("remove", 0o755, 0o644, "DAC_OVERRIDE"),
            ("remove", 0o777, 0o644, ""),
            ("remove", 0o1777, 0o644, "FOWNER"),
            ("chmod", 0o755, 0o644, "FOWNER"),
            ("fchmod", 0o755, 0o644, "FOWNER"),
            ("give", 0o755, 0o644, "CHOWN"),
            ("touch", 0o755, 0o666, ""),
            ("touch", 0o755, 0o644, "FOWNER"),
        ] {
            let path = of_another(&scene, directory, file);
            let found = suggested(&scene, engine, &[&program, act, &path]);
            assert_eq!(found, wanted, "{engine}: {act} {directory:o} {file:o}");
        }
        let beside = of_another(&scene, 0o755, 0o644).replace("file", "made");
        let found = suggested(&scene, engine, &[&program, "create", &beside]);
        assert_eq!(found, "DAC_OVERRIDE", "{engine}");
    }
}

#[test]
fn an_access_control_list_grants_as_a_mode_does() {
    let (Some(scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    if let Some(why) = missing(["setfacl"]) {
        return skip(&why);
    }
    let path = of_another(&scene, 0o755, 0o600);
    let set = scene.run(&["setfacl", "-m", "u:0:r", &path]);
    if set.status != 0 {
        return skip("the file system has no access control lists");
    }
    for engine in ENGINES {
        assert_eq!(suggested(&scene, engine, &[&program, "read", &path]), "", "{engine}");
        let written = suggested(&scene, engine, &[&program, "write", &path]);
        assert_eq!(written, "DAC_OVERRIDE", "{engine}");
    }
}

#[test]
fn each_act_needs_its_capability_and_its_harmless_like_none() {
    let (Some(scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    fs::create_dir(scene.path("mounted")).expect("make a directory");
    let own = scene.write("own", "").display().to_string();
    for engine in ENGINES {
        for (act, path, wanted) in [
            ("packet", "", "NET_RAW"),
            ("raw", "", "NET_RAW"),
            ("datagram", "", ""),
            ("low-port", "", "NET_BIND_SERVICE"),
            ("high-port", "", ""),
            ("read", own.as_str(), ""),
            ("chmod", &own, ""),
            ("keep", &own, ""),
            ("fgive", &own, "CHOWN"),
            ("device", "null", "MKNOD"),
            ("fifo", "fifo", ""),
            ("setuid-same", "", ""),
            ("setuid", "", "SETUID"),
            ("setgid", "", "SETGID"),
            ("groups", "", "SETGID"),
            ("kill-own", "", ""),
            ("kill-other", "", "KILL SETUID"),
            ("chroot", "", "SYS_CHROOT"),
            ("nice", "", "SYS_NICE"),
            ("nicer", "", ""),
            ("batch", "", ""),
            ("raise", "", "SYS_RESOURCE"),
            ("lower", "", ""),
            ("lock", "", ""),
            ("read-clock", "", ""),
            ("securebits", "", "SETPCAP"),
        ] {
            let _ = chown(&own, Some(0), Some(0));
            for name in ["null", "fifo"] {
                let _ = fs::remove_file(scene.path(name));
            }
            let found = suggested(&scene, engine, &[&program, act, path]);
            assert_eq!(found, that_root_has(wanted), "{engine}: {act}");
        }
    }
}

#[test]
fn what_a_name_space_of_ones_own_allows_needs_no_capability() {
    let (Some(scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    if let Some(why) = missing(["namespaces"]) {
        return skip(&why);
    }
    fs::create_dir(scene.path("mounted")).expect("make a directory");
    for engine in ENGINES {
        assert_eq!(suggested(&scene, engine, &[&program, "mount", "mounted"]), "SYS_ADMIN");
        assert_eq!(suggested(&scene, engine, &[&program, "own-mount", "mounted"]), "", "{engine}");
    }
}

#[test]
fn a_sniffer_a_web_server_and_a_backup_need_exactly_one_each() {
    let Some(scene) = scene_of_root() else { return };
    if let Some(why) = missing(["python3", "tar"]) {
        return skip(&why);
    }
    let sniffer = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)";
    let web = "import socket; s = socket.socket(); s.bind(('127.0.0.1', 88)); s.listen()";
    of_another(&scene, 0o700, 0o600);
    for engine in ENGINES {
        for (words, wanted) in [
            (vec!["python3", "-S", "-c", sniffer], "NET_RAW"),
            (vec!["python3", "-S", "-c", web], "NET_BIND_SERVICE"),
            (vec!["tar", "cf", "backup.tar", "theirs"], "DAC_READ_SEARCH"),
        ] {
            assert_eq!(suggested(&scene, engine, &words), wanted, "{engine} {words:?}");
        }
    }
}

#[test]
fn ordinary_programs_need_none_as_root_either() {
    let Some(scene) = scene_of_root() else { return };
    let script = "mkdir d; ls -la / >d/list; cp -a d e; chmod 600 e/list; mv e/list e/moved; \
                  sort e/moved | gzip >out; tar cf d.tar d e; rm -r d e out d.tar; id; kill -0 $$";
    for engine in ENGINES {
        assert_eq!(suggested(&scene, engine, &["sh", "-c", script]), "", "{engine}");
    }
    for program in ["git", "python3", "make"].iter().filter(|name| find_program(name).is_some()) {
        assert_eq!(suggested(&scene, "notify", &[program, "--version"]), "", "{program}");
    }
}

#[test]
fn whoever_has_no_capabilities_needed_none_and_leaves_the_same_files() {
    let (Some(mut scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    if let Some(why) = missing(["setpriv"]) {
        return skip(&why);
    }
    let theirs = of_another(&scene, 0o755, 0o644);
    let files = |scene: &mut Scene, words: &[&str]| {
        let ran = scene.run(words);
        assert_eq!(ran.status, 0, "{ran:?}");
        let traces = scene.traces("t");
        let trace = read_json(&traces[0]);
        fs::remove_dir_all(scene.path("t")).expect("remove");
        let name = Path::new(&program).file_name().expect("a name").to_string_lossy().into_owned();
        let programs = trace["programs"].as_array().expect("programs").clone();
        let of = programs.iter().find(|p| p["path"].as_str().expect("path").ends_with(&name));
        of.expect("the program")["files"].clone()
    };
    let trace = ["trace", "-q", "--no-static", "-o", "t", "--", &program, "read", &theirs];
    let profgen = crate::support::profgen();
    let as_root = files(&mut scene, &[&[profgen][..], &trace].concat());
    let (user, copy) = scene.ordinary_user();
    let as_user = files(&mut scene, &[&user[..], &[copy.as_str()], &trace].concat());
    assert_eq!(as_root, as_user);
}

#[test]
fn a_port_that_anybody_may_take_is_said_to_need_a_capability_elsewhere() {
    let (Some(scene), Some(program)) = (scene_of_root(), built("privileged")) else { return };
    if let Some(why) = missing(["namespaces", "ip"]) {
        return skip(&why);
    }
    let script = format!(
        "ip link set lo up && sysctl -qw net.ipv4.ip_unprivileged_port_start=0 && exec {} trace \
         -q --no-static -o c -- {program} low-port",
        crate::support::profgen()
    );
    let ran = scene.run(&["unshare", "-n", "sh", "-c", &script]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let ran = scene.profgen(&["emit", "capabilities", "c"]);
    assert!(ran.stdout.contains("--cap-drop ALL\n"), "{ran:?}");
    assert!(
        ran.stderr.contains("CAP_NET_BIND_SERVICE") && ran.stderr.contains("port 87"),
        "{ran:?}"
    );
}
