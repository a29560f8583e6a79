//! Tells what calls are about to do, without recording them: for `profgen run --audit`.

use crate::{
    observe::{Event, Observation},
    plan::{Plan, ReadValue},
    recorder::Recorder,
};
use model::{KillTarget, Sysno};
use supervisor::{
    Notification,
    witness::{Act, FileAct, Witness},
};

/// Reads the arguments of calls, and knows the processes that made them.
#[derive(Debug)]
pub struct Watcher {
    recorder: Recorder,
}

impl Watcher {
    /// One that has not seen any process.
    pub fn new() -> Watcher {
        Watcher { recorder: Recorder::new(true, true) }
    }
}

impl Default for Watcher {
    fn default() -> Watcher {
        Watcher::new()
    }
}

impl Witness for Watcher {
    fn watches(&mut self, sysno: Sysno) -> bool {
        self.recorder.looks_at(sysno)
    }

    fn tell(
        &mut self,
        sysno: Sysno,
        notification: &Notification,
        valid: &dyn Fn() -> bool,
    ) -> Option<Act> {
        let Notification { tid, args, instruction_pointer, .. } = *notification;
        let event = Event::new(tid, sysno, args, instruction_pointer);
        let (observation, plan) = self.recorder.look(&event, valid)?;
        Some(act(&event, plan, observation))
    }
}

fn act(event: &Event, plan: &Plan, observation: Observation) -> Act {
    let files = observation.files.into_iter().map(|(place, accesses)| FileAct {
        named: place.named,
        resolved: place.resolved,
        found: place.found,
        accesses,
        checks: place.checks,
    });
    let target = plan.values.iter().position(|value| value.read == ReadValue::KillTarget);
    let signals = target.and_then(|at| {
        let target = KillTarget::ALL.into_iter().find(|t| *t as u64 == observation.values[at])?;
        // Signal 0 only asks whether there is such a process; Landlock denies that too.
        Some((target, event.args[plan.values[at].index] as i32))
    });
    Act {
        files: files.collect(),
        endpoints: observation.endpoints,
        signals,
        checks: observation.checks,
    }
}
