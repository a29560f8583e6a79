//! Who joins a container from outside: the engine tells, as nothing inside sees all of them come.

use super::engine::{Container, INSIDE};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, SystemTime},
};

/// Listens for processes that join a container from outside.
pub struct Joining {
    child: Child,
    lines: PathBuf,
}

impl Joining {
    /// Starts to listen.
    pub fn listen(container: &Container<'_>, workspace: &Path) -> Option<Joining> {
        let mut command = container.engine.joined(&container.id)?;
        let lines = workspace.join(format!("events-{}", container.id));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        command.args(["--since", &now.as_secs().to_string()]);
        command.stdout(File::create(&lines).ok()?).stderr(Stdio::null()).process_group(0);
        Some(Joining { child: command.spawn().ok()?, lines })
    }

    /// What joined until now, other than through the tracer.
    pub fn seen(mut self) -> BTreeSet<String> {
        const MOST: usize = 64;
        // What happened a moment ago is still on its way.
        thread::sleep(Duration::from_millis(100));
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = fs::read(&self.lines).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let own = format!("{INSIDE}/profgen");
        let joined = text.lines().filter(|line| !line.contains(&own));
        let commands =
            joined.map(|line| line.split_once(": ").map_or(line, |(_, command)| command));
        commands.take(MOST).map(|command| command.trim().to_owned()).collect()
    }
}
