//! Receives what a container runtime tells a seccomp agent (runtime-spec, config-linux.md, "The
//! container process state"): one JSON object and the listener, over a stream socket.
//!
//! Whoever may connect may send anything: size, time and descriptors are bounded, and descriptors
//! that are not wanted are closed.

use nix::{
    errno::Errno,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimeout},
        time::{TimeVal, TimeValLike},
    },
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    io::IoSliceMut,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    path::PathBuf,
    time::{Duration, Instant},
};

/// The largest message. Kubernetes allows annotations of 256 KiB.
const BYTES: usize = 1 << 20;
/// The kernel passes no more at once (SCM_MAX_FD of linux/net/scm.h), so that none is cut off.
const DESCRIPTORS: usize = 253;
/// How the name of the listener is written in `fds`.
const LISTENER: &str = "seccompFd";
/// What the kernel calls a listener.
const KIND: &str = "anon_inode:seccomp notify";

/// A process under a filter that announces its calls, and what is known of its container.
#[derive(Debug)]
pub struct Handover {
    /// Announces the calls.
    pub listener: OwnedFd,
    /// The process, in the runtime's pid namespace.
    pub process: i32,
    /// `listenerMetadata` of the profile.
    pub metadata: String,
    /// The container's id.
    pub id: String,
    /// `creating` or `created` for a container that starts; `running` for a process that joins it.
    pub status: String,
    /// The directory of its config.json.
    pub bundle: PathBuf,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The connection failed.
    #[error("{}", crate::command::describe(*.0))]
    Call(#[from] Errno),
    /// It took too long.
    #[error("it did not send the container's state in time")]
    Late,
    /// The connection ended first.
    #[error("it went away before it had sent the container's state")]
    Gone,
    /// More than any container has to say.
    #[error("it sent more than {} KiB", BYTES >> 10)]
    TooLarge,
    /// Not the message of the specification.
    #[error("it sent no container process state: {0}")]
    Malformed(String),
    /// Not as many descriptors as named.
    #[error("it sent {sent} descriptors and named {named}")]
    Descriptors {
        /// How many came.
        sent: usize,
        /// How many `fds` has.
        named: usize,
    },
    /// None of them is called seccompFd, or more than one.
    #[error("it named no single descriptor {LISTENER}")]
    NoListener,
    /// The descriptor is something else.
    #[error("the descriptor that it sent is no seccomp listener")]
    NotAListener,
}

/// `ContainerProcessState` of the runtime-spec; what is not needed is ignored.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    fds: Vec<String>,
    pid: i32,
    #[serde(default)]
    metadata: String,
    state: State,
}

#[derive(Deserialize)]
struct State {
    id: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    bundle: PathBuf,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// Takes one message from a connection, within `patience`.
///
/// # Errors
/// When it is not one; all descriptors that came are closed then.
pub fn receive(connection: &OwnedFd, patience: Duration) -> Result<Handover, HandoverError> {
    let deadline = Instant::now() + patience;
    let (mut bytes, mut descriptors) = (Vec::new(), Vec::new());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(HandoverError::Late);
        }
        let left =
            TimeVal::milliseconds(i64::try_from(left.as_millis()).unwrap_or(i64::MAX).max(1));
        setsockopt(connection, ReceiveTimeout, &left)?;
        let received = match take(connection, &mut bytes, &mut descriptors) {
            Err(Errno::EAGAIN) => return Err(HandoverError::Late),
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        if bytes.len() > BYTES {
            return Err(HandoverError::TooLarge);
        }
        // crun leaves the connection open, so that its end cannot be waited for.
        match serde_json::from_slice::<Message>(&bytes) {
            Ok(message) => return handover(message, descriptors),
            Err(_) if bytes.is_empty() && received == 0 => return Err(HandoverError::Gone),
            Err(error) if received == 0 || !error.is_eof() => {
                return Err(HandoverError::Malformed(error.to_string()));
            }
            Err(_) => {}
        }
    }
}

/// Appends what one call receives. How many bytes that were.
fn take(
    connection: &OwnedFd,
    bytes: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> nix::Result<usize> {
    let mut buffer = vec![0_u8; 64 << 10];
    let mut ancillary = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(connection.as_raw_fd(), &mut parts, Some(&mut ancillary), flags)?;
    let received = message.bytes;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel just made these descriptors for this process.
            descriptors.extend(fds.iter().map(|&fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    bytes.extend_from_slice(&buffer[..received]);
    Ok(received)
}

fn handover(message: Message, descriptors: Vec<OwnedFd>) -> Result<Handover, HandoverError> {
    let Message { fds, pid, metadata, state } = message;
    if fds.len() != descriptors.len() {
        return Err(HandoverError::Descriptors { sent: descriptors.len(), named: fds.len() });
    }
    let named = fds.iter().zip(descriptors).filter(|(name, _)| *name == LISTENER);
    let mut listeners: Vec<OwnedFd> = named.map(|(_, fd)| fd).collect();
    let (Some(listener), true) = (listeners.pop(), listeners.is_empty()) else {
        return Err(HandoverError::NoListener);
    };
    let kind = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
    if !kind.is_ok_and(|kind| kind.as_os_str() == KIND) {
        return Err(HandoverError::NotAListener);
    }
    if pid <= 0 {
        return Err(HandoverError::Malformed(format!("pid {pid}")));
    }
    Ok(Handover {
        listener,
        process: pid,
        metadata,
        id: state.id,
        status: state.status,
        bundle: state.bundle,
        annotations: state.annotations.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{
        AddressFamily, ControlMessage, Shutdown, SockFlag, SockType, sendmsg, shutdown, socketpair,
    };
    use std::{fs::File, io::IoSlice, thread};

    const SOON: Duration = Duration::from_millis(200);

    /// What comes of a message with copies of a descriptor, after which the sender goes or stays.
    fn sent(text: &[u8], fds: usize, stays: bool) -> Result<Handover, HandoverError> {
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
                .unwrap();
        let text = text.to_vec();
        let sender = thread::spawn(move || {
            let null = File::open("/dev/null").unwrap();
            let fds = vec![null.as_raw_fd(); fds];
            let control = [ControlMessage::ScmRights(&fds)];
            let control = if fds.is_empty() { &[][..] } else { &control[..] };
            for (at, part) in text.chunks(60_000).enumerate() {
                let control = if at == 0 { control } else { &[] };
                let _ = sendmsg::<()>(
                    theirs.as_raw_fd(),
                    &[IoSlice::new(part)],
                    control,
                    MsgFlags::MSG_NOSIGNAL,
                    None,
                );
            }
            if !stays {
                shutdown(theirs.as_raw_fd(), Shutdown::Write).unwrap();
            }
            theirs
        });
        let result = receive(&ours, SOON);
        drop(ours);
        drop(sender.join().unwrap());
        result
    }

    fn state(fds: &str, pid: i32) -> Vec<u8> {
        format!(r#"{{"ociVersion":"1.0.2","fds":[{fds}],"pid":{pid},"state":{{"id":"a"}}}}"#)
            .into_bytes()
    }

    #[test]
    fn what_is_not_the_message_is_refused_and_said() {
        let listener = r#""seccompFd""#;
        let cases: [(Vec<u8>, usize, bool, &str); 10] = [
            (state(listener, 1), 1, true, "no seccomp listener"),
            (state(listener, 1), 0, true, "0 descriptors and named 1"),
            (state(listener, 1), 250, true, "250 descriptors and named 1"),
            (state("", 1), 0, true, "no single descriptor"),
            (state(r#""other""#, 1), 1, true, "no single descriptor"),
            (state(r#""seccompFd","seccompFd""#, 1), 2, true, "no single descriptor"),
            (b"{\"pid\": \"x\"}".to_vec(), 1, true, "no container process state"),
            (b"{\"pid\": 1".to_vec(), 1, false, "no container process state"),
            (b"{\"pid\": 1".to_vec(), 1, true, "in time"),
            (vec![b' '; BYTES + 1], 0, true, "more than 1024 KiB"),
        ];
        for (text, fds, stays, expected) in cases {
            let error = sent(&text, fds, stays).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let deep = [&b"{\"pid\":"[..], &b"[".repeat(100_000)].concat();
        assert!(matches!(sent(&deep, 0, true), Err(HandoverError::Malformed(_))));
        assert!(matches!(sent(b"", 0, false), Err(HandoverError::Gone)));
    }

    #[test]
    fn no_descriptor_is_kept_of_what_is_refused() {
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        for _ in 0..20 {
            assert!(sent(&state(r#""seccompFd""#, 1), 200, true).is_err());
        }
        // Other tests of this process open some of their own.
        assert!(open() < before + 200);
    }
}
