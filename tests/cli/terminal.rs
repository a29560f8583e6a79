//! At a terminal: Ctrl-C, Ctrl-Z and the progress line.

use crate::scene::{ENGINES, Scene};
use crate::signals::{state, until, waited};
use crate::support::{missing, skip};
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    pty::openpty,
    unistd::setsid,
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::process::CommandExt,
    process::Child,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// A command with a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    shown: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    fn start(scene: &Scene, words: &[&str]) -> Terminal {
        let pty = openpty(None, None).expect("a terminal");
        for end in [&pty.master, &pty.slave] {
            // Not for the children of other tests in this process.
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("fcntl");
        }
        let mut command = scene.command(words);
        let copy = || pty.slave.try_clone().expect("dup");
        command.env("TERM", "dumb").env("PS1", "$ ").stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: setsid and ioctl are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("start");
        drop(command);
        drop(pty.slave);
        let keyboard = File::from(pty.master);
        let mut screen = keyboard.try_clone().expect("dup");
        let shown = Arc::<Mutex<String>>::default();
        let copy = Arc::clone(&shown);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                copy.lock().expect("lock").push_str(&text);
            }
        });
        Terminal { child, keyboard, shown, reader }
    }

    fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("type");
    }

    fn screen(&self) -> String {
        self.shown.lock().expect("lock").clone()
    }

    /// Waits until text stands on the screen so many times.
    fn shows(&self, text: &str, times: usize) {
        let shown = || self.screen().matches(text).count() >= times;
        if !waited(shown) {
            panic!("in vain: {times} times {text:?} on {:?}", self.screen());
        }
    }

    fn ends(mut self) -> String {
        let status = self.child.wait().expect("wait");
        until("nobody has the terminal any more", || self.reader.is_finished());
        assert!(status.success(), "{status}: {}", self.screen());
        self.screen()
    }
}

/// The processes below one, found by their names.
fn below(scene: &Scene, name: &str) -> Option<i32> {
    let directory = scene.path("");
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let comm = fs::read_to_string(path.join("comm")).unwrap_or_default();
        let here = fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == directory);
        if comm.trim_end() == name && here {
            return entry.file_name().to_str()?.parse().ok();
        }
    }
    None
}

/// Stopped, or, as profgen itself is stopped too, waiting for it in a call: dash blocks SIGTSTP
/// while it handles SIGCHLD, and its return from there is a call. In D it waits for a vfork child
/// that waits so.
fn stopped(pid: i32) -> bool {
    let waits_in = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    matches!(state(pid), Some('T' | 't' | 'D'))
        || waits_in.starts_with("seccomp_do_user_notification")
}

fn shell(scene: &Scene) -> Terminal {
    let terminal = Terminal::start(scene, &["bash", "--norc", "--noprofile", "-i"]);
    terminal.shows("$ ", 1);
    terminal
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    if let Some(why) = missing(["python3"]) {
        return skip(&why);
    }
    let script = r#"
import signal, time
count = 0
def handler(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, handler)
print("re" + "ady", flush=True)
while count == 0:
    time.sleep(0.05)
time.sleep(1)
print("count", "=", count, flush=True)
"#;
    for engine in ENGINES {
        let scene = Scene::new();
        scene.write("count.py", script);
        let mut terminal = shell(&scene);
        let line = format!(
            "\"$PROFGEN\" trace -q --no-static -o b --engine {engine} -- /usr/bin/python3 count.py; echo status=$?\n"
        );
        terminal.type_in(&line);
        terminal.shows("ready", 1);
        terminal.type_in("\x03");
        terminal.shows("status=0", 1);
        assert!(terminal.screen().contains("count = 1"), "{engine}: {}", terminal.screen());
        terminal.type_in("exit\n");
        terminal.ends();
        assert_eq!(*scene.record("b").completeness("interrupted"), "SIGINT");
    }
}

#[test]
fn ctrl_c_ends_a_command_as_without_profgen() {
    for engine in ENGINES {
        let scene = Scene::new();
        let mut terminal = shell(&scene);
        terminal.type_in(&format!(
            "\"$PROFGEN\" trace -q --no-static -o b --engine {engine} -- sh -c 'echo re\"\"ady; exec sleep 60'\n"
        ));
        terminal.shows("ready", 1);
        until("it sleeps", || below(&scene, "sleep").is_some());
        terminal.type_in("\x03");
        until("the bundle is written", || scene.path("b/seccomp.json").exists());
        terminal.type_in("echo status=$?\n");
        terminal.shows("status=130", 1);
        terminal.type_in("exit 0\n");
        terminal.ends();
        let record = scene.record("b");
        assert_eq!(record.completeness("ended")["signal"], "SIGINT", "{engine}");
    }
}

#[test]
fn ctrl_z_stops_a_traced_command_and_fg_continues_it() {
    for engine in ENGINES {
        let scene = Scene::new();
        let mut terminal = shell(&scene);
        let script = "echo $$ >pid; while [ ! -e stop ]; do sleep 0.02; echo x >>ticks; done; echo do\"\"ne; exit 5";
        terminal.type_in(&format!(
            "\"$PROFGEN\" trace -q --no-static -o b --engine {engine} -- sh -c '{script}'\n"
        ));
        let ticks = || fs::metadata(scene.path("ticks")).map_or(0, |metadata| metadata.len());
        until("it runs", || ticks() > 4);
        let pid = fs::read_to_string(scene.path("pid")).expect("the command's pid");
        let command = pid.trim().parse().expect("a pid");
        for round in 1..=2 {
            terminal.type_in("\x1a");
            terminal.shows("Stopped", round);
            until("the command is stopped", || stopped(command));
            let before = ticks();
            thread::sleep(std::time::Duration::from_millis(300));
            assert_eq!(ticks(), before, "{engine}: nothing goes on while it is stopped");
            terminal.type_in("fg\n");
            until("it goes on", || ticks() > before + 4);
        }
        // Stopped again, and continued behind the shell's back.
        terminal.type_in("\x1a");
        terminal.shows("Stopped", 3);
        terminal.type_in("bg\n");
        let before = ticks();
        until("it goes on in the background", || ticks() > before + 4);
        scene.write("stop", "");
        terminal.shows("done", 1);
        until("the bundle is written", || scene.path("b/seccomp.json").exists());
        terminal.type_in("wait %1; echo status=$?\n");
        terminal.shows("status=5", 1);
        terminal.type_in("exit 0\n");
        terminal.ends();
        let record = scene.record("b");
        assert_eq!(record.completeness("ended")["exit"], 5, "{engine}");
        assert!(record.completeness("interrupted").is_null());
    }
}

#[test]
fn a_progress_line_shows_where_the_command_does_not_write_and_is_taken_away() {
    for engine in ENGINES {
        let scene = Scene::new();
        let script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); cat /dev/null; done";
        let line =
            format!("exec \"$PROFGEN\" trace -o b --engine {engine} -- sh -c '{script}' >out");
        let terminal = Terminal::start(&scene, &["sh", "-c", &line]);
        let screen = terminal.ends();
        assert!(screen.contains("\r\x1b[Kprofgen: "), "{engine}: {screen:?}");
        assert!(screen.contains(" processes, ") && screen.contains(" distinct"), "{screen:?}");
        let (_, last) = screen.rsplit_once("\r\x1b[K").expect("the line");
        assert!(last.starts_with("profgen: recorded sh"), "{engine}: {last:?}");
        let quiet = Terminal::start(&scene, &["sh", "-c", &line.replace("-o b", "-q -o b")]);
        assert_eq!(quiet.ends(), "", "{engine}");
    }
}

#[test]
fn the_streams_that_the_command_has_are_the_terminal() {
    for engine in ENGINES {
        let scene = Scene::new();
        let test =
            "test -t 0 && test -t 1 && test -t 2 && tty >/dev/null && : </dev/tty && echo \"ye\"s";
        let words = [
            "sh",
            "-c",
            &format!(
                "exec \"$PROFGEN\" trace -q --no-static -o b --engine {engine} -- sh -c '{test}'"
            ),
        ];
        let terminal = Terminal::start(&scene, &words);
        assert_eq!(terminal.ends(), "yes\r\n", "{engine}");
        let run = Terminal::start(
            &scene,
            &["sh", "-c", &format!("exec \"$PROFGEN\" run -q --policy b -- sh -c '{test}'")],
        );
        assert_eq!(run.ends(), "yes\r\n", "{engine}");
    }
}
