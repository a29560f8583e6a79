//! Runs a program with everything allowed, and reports each call that its policy would deny.

use crate::ConfineError;
use filter::{Denied, Ruleset, compile};
use model::{
    Policy, Sysno, Text,
    trace::{Ended, Site},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::wait::{WaitStatus, waitpid},
};
use std::{collections::BTreeMap, os::fd::AsFd};
use supervisor::{
    Child, Command, Listener, Notification, Received, Watch, launch::Report, procfs,
    signals::Signals,
};

/// Calls that the policy would deny, as one program made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The executable.
    pub program: Text,
    /// The call.
    pub sysno: Sysno,
    /// How often.
    pub count: u64,
    /// The arguments of the first.
    pub args: [u64; 6],
    /// Where the first was made.
    pub site: Option<Site>,
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Audit {
    /// What would have been denied, by program and call.
    pub violations: Vec<Violation>,
    /// How the command ended, where that was seen.
    pub ended: Option<Ended>,
}

/// Runs `command` and everything it starts to the end, letting violations of `policy` pass.
///
/// # Errors
/// When the kernel gives no listener, or the command cannot be executed.
pub fn audit(policy: &Policy, command: &Command, signals: &Signals) -> Result<Audit, ConfineError> {
    let program = compile(&Ruleset::from_policy(policy, Denied::Notify))?;
    let child = Child::start(command, Watch::Notify, program.insns())?;
    signals.pass_to(child.pid);
    let listener = match child.report()? {
        Report::Filtered { listener: Some(listener), .. } => Listener::new(listener),
        Report::Refused(errno) => {
            child.reap();
            return Err(ConfineError::Refused("a listener for notifications", errno));
        }
        _ => return Err(ConfineError::Call(Errno::ECHILD)),
    };
    let mut violations = BTreeMap::new();
    let mut not_executed = None;
    let mut control_open = true;
    loop {
        let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if control_open {
            fds.push(PollFd::new(child.control().as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => {
                signals.arrived();
                continue;
            }
            Err(errno) => return Err(errno.into()),
        }
        let ready = |at: usize| fds.get(at).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
        let (listener_ready, control_ready) = (ready(0), ready(1));
        drop(fds);
        if !control_ready.is_empty() {
            match child.report()? {
                Report::NotExecuted(errno) => not_executed = Some(errno),
                _ => control_open = false,
            }
        }
        if listener_ready.contains(PollFlags::POLLIN) {
            if let Received::Call(notification) = listener.receive()? {
                note(&mut violations, &notification);
                listener.proceed(notification.id);
            }
        } else if !listener_ready.is_empty() {
            break;
        }
    }
    let ended = match waitpid(child.pid, None) {
        Ok(WaitStatus::Exited(_, status)) => Some(Ended::Exit(status)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal.as_str().to_owned())),
        _ => None,
    };
    match not_executed {
        Some(errno) => Err(ConfineError::NotExecuted(errno)),
        None => Ok(Audit { violations: violations.into_values().collect(), ended }),
    }
}

fn note(violations: &mut BTreeMap<(Text, Sysno), Violation>, notification: &Notification) {
    let Some(sysno) = Sysno::from_audit(notification.arch, notification.number) else { return };
    let program = procfs::link(notification.tid, "exe").unwrap_or_default();
    let known = violations.entry((program.clone(), sysno)).or_insert_with(|| {
        let mappings = procfs::mappings(notification.tid).unwrap_or_default();
        let site = procfs::call_site(&mappings, notification.instruction_pointer);
        Violation { program, sysno, count: 0, args: notification.args, site }
    });
    known.count += 1;
}
