//! Renders a policy in the formats that other programs enforce, one file per format, and reads what
//! others wrote in them.
//!
//! A format is found by its name, [`format()`], and turns a policy into text and notes:
//! [`Format::render`]. The notes say what the text allows beyond the policy, and what of the policy
//! it cannot say.
//!
//! * `oci`, `docker`, `podman`: the formats
//! * `seccomp`: what the dialects of the OCI seccomp profile have in common
//! * `needs`: what such a profile has to allow: the policy and the container runtime's own calls
//! * [`capabilities`]: the least set of capabilities
//! * [`capsicum`]: suggestions for FreeBSD, as a document and as a listing in C
//! * [`kubernetes`], [`systemd`]: formats that take more than a policy
//! * [`bpf`]: the compiled filter, as bytes and as a text in C
//! * [`serving`]: the serving phase as a function in C
//! * [`landlock`]: formats of Landlock's rules, which take those and not a policy
//! * [`runtime`]: the table of those
//! * [`handover`]: the profile that announces calls to `profgen agent`
//! * [`read`]: profiles as written, in any dialect
//! * [`lower`]: what a profile does once a runtime has loaded it
//! * [`lint`]: what is dangerous, redundant or will not work as written

pub mod bpf;
pub mod capabilities;
pub mod capsicum;
mod docker;
pub mod handover;
pub mod kubernetes;
pub mod landlock;
pub mod lint;
pub mod lower;
mod needs;
mod oci;
mod podman;
pub mod read;
pub mod runtime;
mod seccomp;
pub mod serving;
pub mod systemd;

use model::Policy;
use runtime::Target;
use std::collections::BTreeSet;

/// A form in which another program takes a policy.
pub trait Format: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What it is and who takes it, in one line.
    fn description(&self) -> &'static str;

    /// The options with which it serves most users.
    fn options(&self) -> Options;

    /// Writes `policy` in this form.
    ///
    /// # Errors
    /// When the form cannot hold the policy at all. What it holds only in part is a note.
    fn render(&self, policy: &Policy, options: &Options) -> Result<Rendered, Error>;
}

/// What a rendering depends on besides the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The container runtimes that must be able to start the program; none for a profile that is
    /// loaded by the program itself, or right before it is executed.
    pub runtimes: BTreeSet<Target>,
}

/// A policy in some form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The file.
    pub text: String,
    /// What the file allows beyond the policy or cannot say, one sentence each.
    pub notes: Vec<String>,
}

/// Why a policy could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing could run under such a profile.
    #[error("render {format}: the policy allows no system call that has a name")]
    Empty {
        /// The format.
        format: &'static str,
    },
    /// The text could not be built.
    #[error("render {format}")]
    Json {
        /// The format.
        format: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

/// All formats, by name.
pub fn formats() -> &'static [&'static dyn Format] {
    &[&docker::Docker, &oci::Oci, &podman::Podman]
}

/// The format of that name.
pub fn format(name: &str) -> Option<&'static dyn Format> {
    formats().iter().copied().find(|format| format.name() == name)
}

/// A reason as it may stand in a comment: names of files and words of people may hold what would end
/// the line.
fn line(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
