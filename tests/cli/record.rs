//! What a trace says of programs that are known.

use crate::scene::{ARCH, ENGINES, Record, Scene, built, file, outcomes};
use crate::support::{PATH, find_program, fixtures, missing, skip};
use serde_json::{Value, json};
use std::process::Command;

/// A fixture of the workloads; none when it cannot be built here.
pub fn fixture(name: &str) -> Option<String> {
    match fixtures::build(name) {
        Ok(path) => Some(path.display().to_string()),
        Err(why) => {
            skip(&why);
            None
        }
    }
}

/// How an outcome is recorded by an engine: notify does not see results.
fn seen(engine: &str, outcome: &str) -> String {
    if engine == "notify" { "unknown".to_owned() } else { outcome.to_owned() }
}

#[test]
fn files_are_recorded_with_what_was_done_and_how_it_went() {
    let script = "mkdir d; cd d; : > new; echo x >> new; ln -s new link; cat link ../d/absent
        mkfifo pipe; ln pipe hard; chmod 700 hard; ls .; mv new moved; rm moved; ../script; cd ..
        rm -r d; cat /nonexistent/probe";
    for engine in ENGINES {
        let scene = Scene::new();
        scene.program("script", "#!/bin/sh\nexit 4\n");
        let (_, record) = scene.trace(engine, &["sh", "-c", script]);
        for (program, path, access, outcome) in [
            ("/mkdir", "d", "make-directory", "ok"),
            ("/dash", "d", "enter", "ok"),
            ("/dash", "d/new", "create", "ok"),
            ("/dash", "d/new", "write", "ok"),
            ("/dash", "d/new", "truncate", "ok"),
            ("/ln", "d/link", "make-symlink", "ok"),
            ("/cat", "d/link", "read", "ok"),
            ("/cat", "d/../d/absent", "read", "ENOENT"),
            ("/mkfifo", "d/pipe", "make-fifo", "ok"),
            ("/ln", "d/pipe", "link-from", "ok"),
            ("/ln", "d/hard", "link-to", "ok"),
            ("/chmod", "d/hard", "change-metadata", "ok"),
            ("/ls", "d", "list", "ok"),
            ("/mv", "d/new", "rename-from", "ok"),
            ("/mv", "d/moved", "rename-to", "ok"),
            ("/rm", "d/moved", "remove", "ok"),
            ("/rm", "d/link", "remove", "ok"),
            ("/rm", "d", "remove-directory", "ok"),
            ("/dash", "d/../script", "execute", "ok"),
            ("/dash", "d/../script", "read", "ok"),
            ("/cat", "/nonexistent/probe", "read", "ENOENT"),
        ] {
            let path = if path.starts_with('/') { path.to_owned() } else { scene.text(path) };
            let found = outcomes(file(record.program(program), &path), access);
            let known: Vec<&String> = found.keys().collect();
            assert_eq!(known, [&seen(engine, outcome)], "{engine}: {program} {path} {access}");
        }
        let dash = record.program("/dash");
        assert_eq!(outcomes(file(dash, &scene.text("d/new")), "truncate").values().sum::<u64>(), 1);
        assert_eq!(outcomes(file(dash, &scene.text("d/new")), "write").values().sum::<u64>(), 2);
        let resolved = |program: &str, path: &str| {
            file(record.program(program), &scene.text(path))["resolved"].clone()
        };
        assert_eq!(resolved("/cat", "d/link"), scene.text("d/new"));
        assert_eq!(resolved("/dash", "d/../script"), scene.text("script"));
        assert_eq!(resolved("/dash", "d/new"), Value::Null);
        assert_eq!(file(record.program("/rm"), &scene.text("d/link"))["found"], json!(["symlink"]));
        assert_eq!(
            file(record.program("/cat"), "/nonexistent/probe")["found"],
            json!(["absent"]),
            "{engine}"
        );
    }
}

#[test]
fn directories_that_change_between_two_calls_are_followed() {
    let Some(moved) = fixture("moved") else { return };
    for options in [&["notify"][..], &["ptrace"], &["ptrace", "--no-patch"]] {
        let scene = Scene::new();
        let words = ["trace", "-q", "--no-static", "-o", "out.profgen", "--engine"];
        let ran = scene.profgen(&[&words[..], options, &["--", &moved]].concat());
        assert_eq!(ran.stdout, "moved: done\n", "{options:?}: {}", ran.stderr);
        let record = scene.record("out.profgen");
        let mut looked = 0;
        for file in record.program("/moved")["files"].as_array().unwrap() {
            let path = file["resolved"].as_str().or(file["path"].as_str()).unwrap();
            let (directory, name) = path.rsplit_once('/').unwrap();
            let Some(place) = name.strip_prefix("in.") else { continue };
            let (place, _) = place.rsplit_once('.').unwrap();
            assert_eq!(directory, scene.text(&place.replace('.', "/")), "{options:?}: {name}");
            looked += 1;
        }
        assert_eq!(looked, LOOKED, "{options:?}");
    }
}

/// How many names `moved` looks for.
const LOOKED: usize = 71;

#[test]
fn a_program_that_is_executed_is_recorded_with_its_links_and_how_often() {
    for engine in ENGINES {
        let scene = Scene::new();
        let (_, record) =
            scene.trace(engine, &["sh", "-c", "/bin/true; /bin/true; exec /bin/true"]);
        let execute = file(record.program("/dash"), "/bin/true");
        assert_eq!(execute["resolved"], "/usr/bin/true");
        assert_eq!(outcomes(execute, "execute"), [(seen(engine, "ok"), 3)].into());
        assert_eq!(record.program("/usr/bin/true")["executions"], 3);
        // The command itself is executed by profgen's child.
        let first = file(record.program("[before exec]"), "/usr/bin/sh");
        assert_eq!(outcomes(first, "execute"), [(seen(engine, "ok"), 1)].into());
    }
}

#[test]
fn a_failed_execution_is_recorded_as_such() {
    let scene = Scene::new();
    let (ran, record) = scene.trace("ptrace", &["env", "no-such-program"]);
    assert_eq!(ran.status, 127);
    let probe = file(record.program("/env"), "/usr/bin/no-such-program");
    assert_eq!(outcomes(probe, "execute"), [("ENOENT".to_owned(), 1)].into());
    assert_eq!(record.program("/env")["executions"], 1);
    let errors = &record.program("/env")["calls"][ARCH]["execve"]["errors"];
    assert_eq!(errors["ENOENT"], PATH.split(':').count());
}

#[test]
fn endpoints_are_recorded_with_their_addresses() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let script = r#"
import os, socket
tcp = socket.socket()
tcp.bind(("127.0.0.1", 0))
tcp.listen()
port = tcp.getsockname()[1]
client = socket.create_connection(("127.0.0.1", port))
os.symlink("sock", "link")
unix = socket.socket(socket.AF_UNIX)
unix.bind("sock")
unix.listen()
socket.socket(socket.AF_UNIX).connect("link")
abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = "profgen-test-%d" % os.getpid()
abstract.bind("\0" + name)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect("\0" + name)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
try:
    socket.socket(socket.AF_UNIX).connect("absent")
except FileNotFoundError:
    pass
print(port, name)
"#;
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &["/usr/bin/python3", "-c", script]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let (port, name) = ran.stdout.trim().split_once(' ').expect("two words");
        let port: u16 = port.parse().expect("a port");
        let inet = |port: u16| json!({"inet": {"host": "127.0.0.1", "port": port}});
        let unix = |name: &str| json!({"unix": {"path": scene.text(name)}});
        let link = json!({"unix": {"path": scene.text("link"), "resolved": scene.text("sock")}});
        let name = json!({"abstract": {"name": name}});
        let python = record.programs_with_endpoints();
        for (operation, address, socket, outcome) in [
            ("bind", inet(0), "stream", "ok"),
            ("listen", inet(port), "stream", "ok"),
            ("connect", inet(port), "stream", "ok"),
            ("bind", unix("sock"), "stream", "ok"),
            ("listen", unix("sock"), "stream", "ok"),
            ("connect", link, "stream", "ok"),
            ("bind", name.clone(), "datagram", "ok"),
            ("connect", name, "datagram", "ok"),
            ("send", inet(9), "datagram", "ok"),
            ("connect", unix("absent"), "stream", "ENOENT"),
        ] {
            let outcome = match (engine, outcome) {
                ("notify", _) => json!({"unknown": 1}),
                (_, "ok") => json!({"ok": 1}),
                (_, errno) => json!({"failed": {errno: 1}}),
            };
            let wanted = json!({"operation": operation, "address": address, "socket": socket, "outcomes": outcome});
            assert!(python.contains(&wanted), "{engine}: no {wanted} in {python:#?}");
        }
        assert_eq!(python.len(), 10, "{engine}: {python:#?}");
    }
}

impl Record {
    fn programs_with_endpoints(&self) -> Vec<Value> {
        let programs = self.0["programs"].as_array().expect("programs").iter();
        programs
            .flat_map(|program| program["endpoints"].as_array().expect("a list").clone())
            .collect()
    }
}

#[test]
fn the_calls_of_a_32_bit_program_stand_under_their_architecture() {
    let Some(hello) = fixture("hello-32") else { return };
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &[&hello]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let program = record.program("/hello-32");
        assert!(program["calls"]["i386"]["exit_group"]["count"].as_u64() > Some(0), "{engine}");
        assert!(program["calls"]["x86_64"].is_null(), "{:#}", program["calls"]["x86_64"]);
        assert_eq!(record.program("[before exec]")["calls"]["x86_64"]["execve"]["count"], 1);
    }
}

#[test]
fn calls_by_int_0x80_stand_under_i386_beside_the_programs_own() {
    let Some(int80) = fixture("int80") else { return };
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &[&int80]);
        assert_eq!(ran.status, 0, "{ran:?}");
        let calls = &record.program("/int80")["calls"];
        for name in ["getpid", "ugetrlimit", "mkdir", "rmdir", "write"] {
            assert_eq!(calls["i386"][name]["count"], 1, "{engine} {name}");
        }
        assert_eq!(calls["i386"].as_object().expect("calls").len(), 5, "{engine}");
        assert_eq!(calls["x86_64"]["getpid"]["count"], 1);
        assert!(calls["x86_64"]["mkdir"].is_null());
        let directory = file(record.program("/int80"), &scene.text("int80-dir"));
        assert_eq!(outcomes(directory, "make-directory"), [(seen(engine, "ok"), 1)].into());
        assert_eq!(outcomes(directory, "remove-directory"), [(seen(engine, "ok"), 1)].into());
    }
}

#[test]
fn processes_are_listed_with_parents_programs_and_ends() {
    let script = "/bin/true; sh -c 'exit 3'; sh -c 'kill -KILL $$'; (/bin/true; exit 5); exit 6";
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &["sh", "-c", script]);
        assert_eq!(ran.status, 6, "{ran:?}");
        let ends: Vec<Value> = record.ends().into_iter().cloned().collect();
        let exit = |status: i32| json!({"exit": status});
        // notify sees a death that no call announces of the command alone.
        let killed = if engine == "notify" { Value::Null } else { json!({"signal": "SIGKILL"}) };
        let wanted = [exit(6), exit(0), exit(3), killed, exit(5), exit(0)];
        assert_eq!(ends, wanted, "{engine}");
        let parents: Vec<Value> = record.0["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .map(|process| process["parent"].clone())
            .collect();
        assert_eq!(parents, [json!(null), json!(0), json!(0), json!(0), json!(0), json!(4)]);
        assert_eq!(*record.completeness("ended"), exit(6));
        let of = |index: &Value| {
            let index = usize::try_from(index.as_u64().expect("an index")).expect("small");
            record.0["programs"][index]["path"].as_str().expect("a path").to_owned()
        };
        let programs = record.0["processes"][1]["programs"].as_array().expect("programs");
        let programs: Vec<String> = programs.iter().map(of).collect();
        assert_eq!(programs, ["/usr/bin/dash", "/usr/bin/true"], "{engine}");
    }
}

#[test]
fn threads_are_counted() {
    let Some(threads) = fixture("threads") else { return };
    for engine in ENGINES {
        let scene = Scene::new();
        let (ran, record) = scene.trace(engine, &[&threads]);
        assert_eq!(ran.status, 0, "{ran:?}");
        assert_eq!(record.0["processes"].as_array().expect("processes").len(), 1);
        assert_eq!(record.0["processes"][0]["threads"], 409, "{engine}");
    }
}

/// As readelf says it.
fn build_id(path: &str) -> String {
    let output = Command::new("readelf").args(["-n", path]).env("PATH", PATH).output();
    let text = String::from_utf8(output.expect("readelf").stdout).expect("text");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    line.unwrap_or_else(|| panic!("{path} has no build id")).to_owned()
}

#[test]
fn modules_carry_the_build_ids_that_readelf_shows() {
    if let Some(why) = missing(["readelf"]) {
        return skip(&why);
    }
    for engine in ENGINES {
        let scene = Scene::new();
        let (_, record) = scene.trace(engine, &["ls", "/"]);
        let modules = record.program("/usr/bin/ls")["modules"].as_array().expect("modules");
        let paths: Vec<&str> = modules.iter().map(|m| m["path"].as_str().expect("path")).collect();
        for wanted in ["/usr/bin/ls", "libc.so.6", "ld-linux"] {
            assert!(paths.iter().any(|path| path.contains(wanted)), "{engine}: {paths:?}");
        }
        for module in modules {
            let path = module["path"].as_str().expect("path");
            assert_eq!(module["build_id"], build_id(path), "{path}");
        }
    }
}

#[test]
fn a_module_without_build_id_carries_its_hash() {
    if find_program("gcc").is_none() {
        return skip("no gcc");
    }
    for engine in ENGINES {
        let scene = Scene::new();
        scene.write("p.c", "int main(void) { return 0; }\n");
        let gcc = scene.run(&["gcc", "-Wl,--build-id=none", "-o", "p", "p.c"]);
        assert_eq!(gcc.status, 0, "{gcc:?}");
        let (_, record) = scene.trace(engine, &["./p"]);
        let sum = scene.run(&["sha256sum", "p"]).stdout;
        let modules = record.program("/p")["modules"].as_array().expect("modules").clone();
        let own = modules.iter().find(|module| module["path"] == scene.text("p")).expect("itself");
        assert_eq!(own["sha256"], sum.split(' ').next().expect("a sum"));
        assert!(own["build_id"].is_null());
    }
}

#[test]
fn a_call_site_is_named_after_its_function_when_the_program_is_not_stripped() {
    let Some(wx) = built("wx") else { return skip("no gcc") };
    let name = wx.rsplit('/').next().expect("a name");
    for engine in ENGINES {
        let scene = Scene::new();
        let options = ["trace", "-q", "-o", "b", "--engine", engine, "--", &wx, "own"];
        assert_eq!(scene.profgen(&options).status, 0);
        let record = scene.record("b");
        let site = &record.program(name)["calls"][ARCH]["getppid"]["site"];
        assert_eq!(site["module"], wx.as_str(), "{engine}");
        let symbol = site["symbol"].as_str().expect("a symbol");
        assert!(symbol.starts_with("own_call+0x"), "{engine}: {symbol}");
        // In the C library, where only exported names are left.
        let site = &record.program(name)["calls"][ARCH]["exit_group"]["site"];
        assert!(site["module"].as_str().is_some_and(|module| module.contains("libc.so")), "{site}");
        assert!(site["symbol"].as_str().is_some_and(|symbol| symbol.contains("xit+0x")), "{site}");
        assert!(site["offset"].as_str().is_some_and(|offset| offset.starts_with("0x")), "{site}");
    }
    let scene = Scene::new();
    let ran = scene.profgen(&["trace", "-q", "--no-static", "-o", "b", "--", &wx, "own"]);
    assert_eq!(ran.status, 0);
    let record = scene.record("b");
    let site = &record.program(name)["calls"][ARCH]["getppid"]["site"];
    assert_eq!(site["module"], wx.as_str());
    assert!(site["symbol"].is_null(), "{site}");
}

#[test]
fn names_that_are_not_text_come_back_as_they_were() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = r#"n=$(printf 'a\377\\\nb'); mkdir "$n"; cat "$n"/absent"#;
        let (_, record) = scene.trace(engine, &["sh", "-c", script]);
        let made = format!("{}\\xff\\\\\nb", scene.text("a"));
        let made = file(record.program("/mkdir"), &made);
        assert_eq!(outcomes(made, "make-directory"), [(seen(engine, "ok"), 1)].into());
        let merged = scene.profgen(&["merge", "-o", "-", &format!("{engine}.profgen")]);
        assert_eq!(merged.status, 0);
    }
}
