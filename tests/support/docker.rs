//! A Docker daemon: the machine's when it answers, else one of the test's own, which ends with the test.
//!
//! The own daemon has its data, state and socket in a temporary directory and leaves the machine's network alone:
//! no bridge and no packet filter rules, so containers run with `--network none`.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATH, find_program, fixtures, is_root, missing, run};

/// An image of busybox (at /bin) and the extra-call wrapper; removed with this.
pub struct Docker {
    daemon: Option<(Child, TempDir)>,
    host: Option<String>,
    image: String,
    more: RefCell<Vec<String>>,
}

/// Why Docker cannot be used here, worded for [`super::skip`].
pub fn obstacle() -> Option<String> {
    if let Some(why) = missing(["docker", "busybox", "tar"]) {
        return Some(why);
    }
    if answers(None) {
        return None;
    }
    if !is_root() {
        return Some("no docker daemon, and not root to start one".to_owned());
    }
    missing(["dockerd", "containerd"])
}

impl Docker {
    /// Finds or starts a daemon and imports the image; `Err` says why dockerd cannot run here.
    pub fn start() -> Result<Docker, String> {
        let image = format!("profgen-test-{}", std::process::id());
        let more = RefCell::default();
        let mut docker = Docker { daemon: None, host: None, image, more };
        if !answers(None) {
            // A short path, as the name of a socket below it has at most 107 bytes.
            let home = tempfile::Builder::new()
                .prefix("pd-")
                .tempdir_in("/tmp")
                .expect("make a directory");
            docker.host = Some(format!("unix://{}/docker.sock", home.path().display()));
            docker.daemon = Some((start_daemon(home.path()), home));
            docker.wait_for_daemon()?;
        }
        docker.import_image();
        Ok(docker)
    }

    fn wait_for_daemon(&mut self) -> Result<(), String> {
        let started = Instant::now();
        while !answers(self.host.as_deref()) {
            let (child, home) = self.daemon.as_mut().expect("an own daemon");
            let ended = child.try_wait().expect("wait for dockerd");
            if ended.is_some() || started.elapsed() > Duration::from_secs(60) {
                let log = fs::read_to_string(home.path().join("log")).unwrap_or_default();
                return Err(format!("dockerd does not answer ({ended:?}): {}", tail(&log, 5)));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// `docker import` of a directory with one static program.
    fn import_image(&self) {
        let root =
            tempfile::Builder::new().prefix("profgen-image-").tempdir().expect("make a directory");
        for directory in ["bin", "tmp", "etc"] {
            fs::create_dir(root.path().join(directory)).expect("make a directory");
        }
        let busybox = find_program("busybox").expect("busybox");
        fs::copy(busybox, root.path().join("bin/busybox")).expect("copy busybox");
        let wrapper = fixtures::build("extra-call").expect("the extra-call wrapper");
        fs::copy(wrapper, root.path().join("bin/extra-call")).expect("copy extra-call");
        self.import_as(root.path(), &self.image, &[]);
    }

    /// `docker import` of a directory, with changes as in a Dockerfile; gives the image's name.
    pub fn import(&self, root: &Path, changes: &[&str]) -> String {
        let name = format!("{}-{}", self.image, self.more.borrow().len());
        self.import_as(root, &name, changes);
        self.more.borrow_mut().push(name.clone());
        name
    }

    fn import_as(&self, root: &Path, name: &str, changes: &[&str]) {
        let mut tar = Command::new("tar")
            .args(["-C".as_ref(), root.as_os_str(), "-c".as_ref(), ".".as_ref()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("run tar");
        let output = client(self.host.as_deref())
            .arg("import")
            .args(changes.iter().flat_map(|change| ["--change", change]))
            .args(["-", name])
            .stdin(tar.stdout.take().expect("tar's output"))
            .output()
            .expect("run docker import");
        assert!(tar.wait().expect("wait for tar").success(), "tar failed");
        assert!(
            output.status.success(),
            "docker import: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The name of the image.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// A program that finds this daemon.
    pub fn client_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", PATH).stdin(Stdio::null());
        command.envs(self.host.as_ref().map(|host| ("DOCKER_HOST", host)));
        command
    }

    /// The containers that there are, running or not.
    pub fn containers(&self) -> String {
        let output = client(self.host.as_deref()).args(["ps", "--all", "--quiet"]).output();
        String::from_utf8_lossy(&output.expect("run docker ps").stdout).into_owned()
    }

    /// `docker run` with options, then the command inside the image.
    pub fn run(&self, options: &[&str], command: &[&str]) -> run::Ran {
        let mut docker = client(self.host.as_deref());
        docker.args(["run", "--rm", "--network", "none", "--env", "LC_ALL=C"]);
        docker.args(options).arg(&self.image).args(command);
        run::run_command(docker, Duration::from_secs(60))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // Nothing here may panic: the test may be failing already.
        let mut remove = client(self.host.as_deref());
        remove.args(["rmi", "--force", &self.image]).args(&*self.more.borrow());
        let _ = remove.output();
        if let Some((child, _)) = &mut self.daemon {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

fn start_daemon(home: &Path) -> Child {
    let log = File::create(home.join("log")).expect("make dockerd's log");
    // Else the machine's own /etc/docker/daemon.json would be read.
    fs::write(home.join("daemon.json"), "{}").expect("write daemon.json");
    let at = |name: &str| home.join(name).display().to_string();
    Command::new(find_program("dockerd").expect("dockerd"))
        .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")])
        .args([
            "--host",
            &format!("unix://{}", at("docker.sock")),
            "--config-file",
            &at("daemon.json"),
        ])
        .args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-masq=false"])
        .env("PATH", PATH)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("share the log"))
        .stderr(log)
        .spawn()
        .expect("start dockerd")
}

fn answers(host: Option<&str>) -> bool {
    let output: std::io::Result<Output> =
        client(host).args(["version", "--format", "{{.Server.Version}}"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn client(host: Option<&str>) -> Command {
    let mut client = Command::new("docker");
    client.env("PATH", PATH).stdin(Stdio::null());
    if let Some(host) = host {
        client.env("DOCKER_HOST", host);
    }
    client
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
