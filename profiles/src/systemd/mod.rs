//! `systemd`: a drop-in for a service. A directive stands in it when what runs did supports it, with
//! the reason above it; what only a person can know, such as the user, is not guessed.
//!
//! * `seen`: what runs did, asked
//! * `calls`: system calls, sockets, name spaces, memory, schedules
//! * `files`: what of the file system is left, read-only, or taken away
//! * `network`: addresses and ports
//!
//! Sources: systemd.exec(5), systemd.resource-control(5) of systemd 252, and its
//! src/shared/seccomp-util.c.

mod calls;
mod files;
mod network;
mod seen;

use crate::{Error, Rendered};
use model::{Policy, landlock::LandlockPolicy, policy::EvidenceKind};
use seen::Seen;
use std::collections::{BTreeMap, BTreeSet};

/// The name on the command line.
pub const NAME: &str = "systemd";

/// What a drop-in is made of.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// What is allowed.
    pub policy: &'a Policy,
    /// The same of files.
    pub landlock: &'a LandlockPolicy,
    /// The capabilities that it needs, each with what asked for it.
    pub capabilities: &'a BTreeMap<String, BTreeSet<String>>,
}

/// The lines of `[Service]`, and what it does not say.
#[derive(Debug, Default)]
struct Lines {
    text: String,
    notes: Vec<String>,
}

impl Lines {
    /// A directive with the reason for it.
    fn set(&mut self, reason: &str, directive: &str, value: &str) {
        self.text += &format!("\n# {}\n{directive}={value}\n", crate::line(reason));
    }

    /// A directive that stands in several lines, each a part of its value.
    fn set_list<'a>(
        &mut self,
        reason: &str,
        directive: &str,
        words: impl IntoIterator<Item = &'a str>,
    ) {
        const WIDTH: usize = 90;
        self.text += &format!("\n# {}\n", crate::line(reason));
        let mut line = String::new();
        for word in words {
            if !line.is_empty() && line.len() + word.len() >= WIDTH {
                self.text += &format!("{directive}={line}\n");
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        self.text += &format!("{directive}={line}\n");
    }

    /// Something that was left out, and why.
    fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// Writes the drop-in.
///
/// # Errors
/// When the policy allows no call: the service could not start.
pub fn render(service: Service<'_>) -> Result<Rendered, Error> {
    let Service { policy, landlock, capabilities } = service;
    let seen = Seen::new(policy);
    if policy.calls.keys().all(|sysno| sysno.name().is_none()) {
        return Err(Error::Empty { format: NAME });
    }
    let mut lines = Lines::default();
    calls::directives(&seen, &mut lines);
    if policy.evidence.values().any(|piece| piece.kind == EvidenceKind::Trace) {
        privileges(&seen, capabilities, &mut lines);
        calls::restrictions(&seen, &mut lines);
        files::directives(&seen, landlock, capabilities, &mut lines);
        network::directives(&seen, &mut lines);
        for row in seen::table().filter(|row| row.holds(&seen, capabilities)) {
            lines.set(row.reason, row.directive, row.value);
        }
    } else {
        lines.note("no run is in the policy: what it would take away is not known".to_owned());
    }
    let head = "# A drop-in: /etc/systemd/system/NAME.service.d/profgen.conf, then systemctl daemon-reload.\n\
                [Service]";
    Ok(Rendered { text: format!("{head}{}", lines.text), notes: lines.notes })
}

fn privileges(
    seen: &Seen<'_>,
    capabilities: &BTreeMap<String, BTreeSet<String>>,
    lines: &mut Lines,
) {
    if seen.gains_privileges() {
        lines.note(
            "NoNewPrivileges is left out: a run executed a file that gives privileges".to_owned(),
        );
    } else {
        let reason = "no run executed a file that gives privileges (set-user-id and the like)";
        lines.set(reason, "NoNewPrivileges", "yes");
    }
    let names: Vec<&str> = capabilities.keys().map(String::as_str).collect();
    if names.is_empty() {
        lines.set("no run needed a capability", "CapabilityBoundingSet", "");
        return;
    }
    let reasons: Vec<String> = capabilities
        .iter()
        .map(|(name, reasons)| {
            format!("{name}: {}", Vec::from_iter(reasons.iter().map(String::as_str)).join("; "))
        })
        .collect();
    for reason in &reasons {
        lines.text += &format!("\n# {}", crate::line(reason));
    }
    lines.text += &format!("\nCapabilityBoundingSet={}\n", names.join(" "));
    // Who changes its user itself must be started as root, and has them.
    let switches = ["CAP_SETUID", "CAP_SETGID"].iter().any(|name| names.contains(name));
    if !switches {
        let reason = "with User= it has them only so; as root it has them anyway";
        lines.set(reason, "AmbientCapabilities", &names.join(" "));
    }
}
