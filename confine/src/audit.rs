//! Runs a program with everything allowed, and reports each call that its policy would deny.

use crate::ConfineError;
use filter::{Denied, Ruleset, compile};
use model::{
    Policy, Sysno, Text,
    trace::{Ended, Site},
};
use std::collections::{BTreeMap, BTreeSet};
use supervisor::{
    Child, Command, Deaths, Ending, Listener, Notification, Received, Watch, deaths::last_deaths,
    launch::Report, procfs, signals::Signals,
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
    /// Calls of architectures that profgen does not know; they would be denied.
    pub unknown: u64,
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
        other => {
            child.abandon();
            return Err(match other {
                Report::Refused(errno) => {
                    ConfineError::Refused("a listener for notifications", errno)
                }
                _ => ConfineError::Vanished,
            });
        }
    };
    let deaths = Deaths::watch(&listener, child.pid.as_raw(), signals)?;
    deaths.add(child.pid.as_raw());
    let mut run = Run {
        ending: Ending::new(signals),
        seen: BTreeSet::from([child.pid.as_raw()]),
        violations: BTreeMap::new(),
        unknown: 0,
        ended: None,
    };
    run.serve(&child, &listener, &deaths)?;
    if let Report::NotExecuted(errno) = child.report()? {
        return Err(ConfineError::NotExecuted(errno));
    }
    Ok(Audit {
        violations: run.violations.into_values().collect(),
        unknown: run.unknown,
        ended: run.ended,
    })
}

/// A run so far.
struct Run {
    ending: Ending,
    /// Threads that violated the policy.
    seen: BTreeSet<i32>,
    violations: BTreeMap<(Text, Sysno), Violation>,
    unknown: u64,
    ended: Option<Ended>,
}

impl Run {
    fn serve(
        &mut self,
        child: &Child,
        listener: &Listener,
        deaths: &Deaths,
    ) -> Result<(), ConfineError> {
        loop {
            let received = listener.receive()?;
            self.hear(deaths);
            let seen = &self.seen;
            self.ending.check(|| seen.iter().copied());
            match received {
                Received::Call(notification) => {
                    self.note(&notification);
                    if let Err(errno) = listener.proceed(notification.id) {
                        child.abandon();
                        return Err(ConfineError::Refused("to continue notified calls", errno));
                    }
                }
                Received::Gone if listener.hung_up() => break,
                Received::Woken if deaths.all() => break,
                Received::Gone | Received::Woken => {}
            }
        }
        last_deaths(|| {
            self.hear(deaths);
            self.ended.is_some()
        });
        Ok(())
    }

    /// Only the command's death is watched for.
    fn hear(&mut self, deaths: &Deaths) {
        for (process, how) in deaths.take() {
            self.seen.remove(&process);
            self.ended = how;
            self.ending.command_ended();
        }
    }

    fn note(&mut self, notification: &Notification) {
        let tid = notification.tid;
        self.seen.insert(tid);
        let Some(sysno) = Sysno::from_audit(notification.arch, notification.number) else {
            self.unknown += 1;
            return;
        };
        let program = procfs::link(tid, "exe").unwrap_or_else(|_| Text::from("a process"));
        let known = self.violations.entry((program.clone(), sysno)).or_insert_with(|| {
            let mappings = procfs::mappings(tid).unwrap_or_default();
            let site = procfs::call_site(&mappings, notification.instruction_pointer);
            Violation { program, sysno, count: 0, args: notification.args, site }
        });
        known.count += 1;
    }
}
