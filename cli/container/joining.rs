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

/// The line for an event of an engine that does not tell the command, as Podman's do not.
pub const ANONYMOUS: &str = "exec";

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

    /// What joined until now.
    pub fn seen(mut self) -> Joined {
        // What happened a moment ago is still on its way.
        thread::sleep(Duration::from_millis(100));
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = fs::read(&self.lines).unwrap_or_default();
        Joined::read(&String::from_utf8_lossy(&text))
    }
}

/// Processes that joined a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joined {
    /// The commands of those that did not come through the tracer.
    pub commands: BTreeSet<String>,
    /// How many there were of which the engine does not tell the command.
    pub unknown: usize,
}

impl Joined {
    /// Lines of an engine's events: `exec_start: ls -l`, as Docker has them, or ANONYMOUS.
    fn read(text: &str) -> Joined {
        const MOST: usize = 64;
        let own = format!("{INSIDE}/profgen");
        let mut joined = Joined::default();
        for line in text.lines() {
            if line == ANONYMOUS {
                joined.unknown += 1;
            } else if !line.contains(&own) && joined.commands.len() < MOST {
                let command = line.split_once(": ").map_or(line, |(_, command)| command);
                joined.commands.insert(command.trim().to_owned());
            }
        }
        joined
    }

    /// Those of which there is no record, when there are so many records of such as joined.
    pub fn unrecorded(&self, records: usize) -> BTreeSet<String> {
        let mut commands = self.commands.clone();
        if self.unknown > records {
            commands.insert(format!("{} commands", self.unknown - records));
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_through_the_tracer_is_not_missing() {
        let docker = "exec_start: /bin/sh -c exec /dev/.profgen/profgen inside --joined -- x\n\
                      exec_start: ls -l\n";
        let joined = Joined::read(docker);
        assert_eq!(joined.unrecorded(1), BTreeSet::from(["ls -l".to_owned()]));
        let podman = Joined::read("exec\nexec\nexec\n");
        assert_eq!(podman.unrecorded(3), BTreeSet::new());
        assert_eq!(podman.unrecorded(1), BTreeSet::from(["2 commands".to_owned()]));
    }
}
