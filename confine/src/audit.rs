//! Runs a program with everything allowed, and reports what its policy would deny: calls, files,
//! ports, signals, and what takes a capability.

use crate::{
    ConfineError, Confinement,
    judge::{Judge, Offence},
};
use filter::{Action, Denied, Program, Ruleset, SeccompData, compile, verdict};
use model::{
    Policy, Sysno, Text,
    trace::{Ended, Site},
};
use std::collections::{BTreeMap, BTreeSet};
use supervisor::{
    Child, Command, Deaths, Ending, Listener, Notification, Received, Watch, deaths::last_deaths,
    launch::Report, procfs, signals::Signals, witness::Witness,
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
    /// What else would have been denied, by program, with how often.
    pub offences: BTreeMap<(Text, Offence), u64>,
    /// Calls of architectures that profgen does not know; they would be denied.
    pub unknown: u64,
    /// How the command ended, where that was seen.
    pub ended: Option<Ended>,
}

/// Runs `command` and everything it starts to the end, letting violations pass. `witness` reads the
/// calls whose arguments decide.
///
/// # Errors
/// When the kernel gives no listener, or the command cannot be executed.
pub fn audit(
    confinement: &Confinement<'_>,
    command: &Command,
    signals: &Signals,
    witness: &mut dyn Witness,
) -> Result<Audit, ConfineError> {
    let policy = confinement.policy;
    let calls = compile(&Ruleset::from_policy(policy, Denied::Notify))?;
    let looks = confinement.landlock.is_some() || confinement.keep.is_some();
    let program = match looks {
        true => compile(&Ruleset::from_policy(&unwatched(policy, witness), Denied::Notify))?,
        false => calls.clone(),
    };
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
        offences: BTreeMap::new(),
        unknown: 0,
        ended: None,
        calls,
        witness: looks.then_some(witness),
        judge: Judge::new(confinement.landlock, confinement.keep, command, child.pid.as_raw()),
    };
    run.serve(&child, &listener, &deaths)?;
    if let Report::NotExecuted(errno) = child.report()? {
        return Err(ConfineError::NotExecuted(errno));
    }
    Ok(Audit {
        violations: run.violations.into_values().collect(),
        offences: run.offences,
        unknown: run.unknown,
        ended: run.ended,
    })
}

/// The policy without the calls that the witness wants to see, so that these are announced too.
fn unwatched(policy: &Policy, witness: &mut dyn Witness) -> Policy {
    let mut policy = policy.clone();
    policy.calls.retain(|sysno, _| !witness.watches(*sysno));
    policy
}

/// A run so far.
struct Run<'a> {
    ending: Ending,
    /// Threads that called.
    seen: BTreeSet<i32>,
    violations: BTreeMap<(Text, Sysno), Violation>,
    offences: BTreeMap<(Text, Offence), u64>,
    unknown: u64,
    ended: Option<Ended>,
    /// What the policy says of calls.
    calls: Program,
    witness: Option<&'a mut dyn Witness>,
    judge: Judge<'a>,
}

impl Run<'_> {
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
                    self.note(&notification, &|| listener.is_valid(notification.id));
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

    fn note(&mut self, notification: &Notification, valid: &dyn Fn() -> bool) {
        let tid = notification.tid;
        self.seen.insert(tid);
        let Some(sysno) = Sysno::from_audit(notification.arch, notification.number) else {
            self.unknown += 1;
            return;
        };
        if self.denies(notification) {
            self.violation(sysno, notification);
        }
        let Some(witness) = &mut self.witness else { return };
        if !witness.watches(sysno) {
            return;
        }
        let Some(act) = witness.tell(sysno, notification, valid) else { return };
        let offences = self.judge.judge(&act);
        if !offences.is_empty() {
            let program = program_of(tid);
            for offence in offences {
                *self.offences.entry((program.clone(), offence)).or_default() += 1;
            }
        }
    }

    /// Whether the filter would. A negative number is no call, and gets ENOSYS either way.
    fn denies(&self, notification: &Notification) -> bool {
        if notification.number >= 1 << 31 {
            return false;
        }
        let Notification { arch, number: nr, args, instruction_pointer, .. } = *notification;
        let data = SeccompData { nr, arch, instruction_pointer, args };
        verdict(&self.calls, &data) != Action::Allow
    }

    fn violation(&mut self, sysno: Sysno, notification: &Notification) {
        let tid = notification.tid;
        let program = program_of(tid);
        let known = self.violations.entry((program.clone(), sysno)).or_insert_with(|| {
            let mappings = procfs::mappings(tid).unwrap_or_default();
            let site = procfs::call_site(&mappings, notification.instruction_pointer);
            Violation { program, sysno, count: 0, args: notification.args, site }
        });
        known.count += 1;
    }
}

fn program_of(tid: i32) -> Text {
    procfs::link(tid, "exe").unwrap_or_else(|_| Text::from("a process"))
}
