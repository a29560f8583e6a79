//! What a person decided about a policy, and what a decision or a question can be about.

use crate::{Arch, Call, Sysno, Text};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What can be decided or asked about: `ptrace`, `i386 ptrace`, `/etc/passwd`, `tcp:443`,
/// `CAP_NET_RAW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// A system call.
    Call {
        /// On one architecture; on all that the policy speaks of when absent.
        arch: Option<Arch>,
        /// Its name, or `#` and its number.
        name: String,
    },
    /// A file, by its absolute path.
    Path(Text),
    /// A TCP or UDP port.
    Port {
        /// `tcp` or `udp`.
        protocol: Protocol,
        /// The number.
        port: u16,
    },
    /// A Linux capability, `CAP_NET_RAW`.
    Capability(String),
}

/// A transport protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
}

impl Protocol {
    /// As in a subject.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// Why a text is no [`Subject`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no system call, absolute path, port (tcp:443) or capability (CAP_NET_RAW) that profgen knows"
)]
pub struct SubjectError(String);

impl Subject {
    /// Reads a subject as a person types it.
    ///
    /// # Errors
    /// When it is none of the forms, or names a call or architecture that the tables do not have.
    pub fn parse(text: &str) -> Result<Subject, SubjectError> {
        let error = || SubjectError(text.to_owned());
        if text.starts_with('/') {
            return Text::from_escaped(text).map(Subject::Path).ok_or_else(error);
        }
        let port = |protocol, digits: &str| {
            let port = digits.parse().map_err(|_| error())?;
            Ok(Subject::Port { protocol, port })
        };
        if let Some(digits) = text.strip_prefix("tcp:") {
            return port(Protocol::Tcp, digits);
        }
        if let Some(digits) = text.strip_prefix("udp:") {
            return port(Protocol::Udp, digits);
        }
        let capability = text.to_ascii_uppercase();
        if let Some(name) = capability.strip_prefix("CAP_")
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            return Ok(Subject::Capability(capability));
        }
        let (arch, name) = match text.split_once([' ', ':']) {
            Some((arch, name)) => (Some(Arch::from_name(arch).ok_or_else(error)?), name),
            None => (None, text),
        };
        let known = match arch {
            Some(arch) => Sysno::from_name(arch, name).is_some(),
            None => Call::by_name(name).is_some() || Sysno::from_name(Arch::X86_64, name).is_some(),
        };
        if !known {
            return Err(error());
        }
        Ok(Subject::Call { arch, name: name.to_owned() })
    }

    /// Whether it is about this call.
    pub fn is_call(&self, sysno: Sysno) -> bool {
        match self {
            Subject::Call { arch, name } => {
                arch.is_none_or(|arch| arch == sysno.arch()) && *name == sysno.label()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Call { arch: Some(arch), name } => write!(f, "{arch} {name}"),
            Subject::Call { arch: None, name } => f.write_str(name),
            Subject::Path(path) => f.write_str(&path.escaped()),
            Subject::Port { protocol, port } => write!(f, "{}:{port}", protocol.as_str()),
            Subject::Capability(name) => f.write_str(name),
        }
    }
}

impl TryFrom<String> for Subject {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Subject, SubjectError> {
        Subject::parse(&text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> String {
        subject.to_string()
    }
}

/// What was decided, and why.
///
/// Of two decisions about one subject the one that allows less counts, for merging must not depend
/// on an order: to take a denial back, take it out of every policy that is merged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Which way.
    pub verdict: Verdict,
    /// Why: the text that a reviewer reads.
    pub reason: String,
}

/// The two ways to decide; the smaller one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Never allowed, whatever the evidence says.
    Deny,
    /// Allowed, whatever the evidence says, with any argument.
    Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_is_read_and_written_back() {
        for (typed, shown) in [
            ("ptrace", "ptrace"),
            ("i386 socketcall", "i386 socketcall"),
            ("x86_64:openat", "x86_64 openat"),
            ("#999", "#999"),
            ("/etc/passwd", "/etc/passwd"),
            ("tcp:443", "tcp:443"),
            ("udp:53", "udp:53"),
            ("cap_net_raw", "CAP_NET_RAW"),
        ] {
            let subject = Subject::parse(typed).unwrap();
            assert_eq!(subject.to_string(), shown);
            assert_eq!(Subject::parse(shown).unwrap(), subject);
        }
    }

    #[test]
    fn what_is_nothing_of_the_kind_is_refused() {
        for bad in ["", "opennat", "vax openat", "x86_64 socketcall", "tcp:70000", "CAP_", "tcp:"] {
            assert!(Subject::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_call_without_an_architecture_is_meant_on_all() {
        let ptrace = Subject::parse("ptrace").unwrap();
        let native = Subject::parse("x86_64 ptrace").unwrap();
        let foreign = Sysno::from_name(Arch::I386, "ptrace").unwrap();
        assert!(ptrace.is_call(foreign) && !native.is_call(foreign));
    }
}
