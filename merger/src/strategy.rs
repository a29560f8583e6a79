//! Decides which calls of the evidence are allowed: by a person's decision, by observation, and for
//! what was only predicted by the strategy.

use crate::{argrule, join};
use model::{
    Arch, Decision, Group, Policy, Protocol, Subject, Sysno, Verdict,
    policy::{ArgumentRules, Entry, Origins, Settings, Strategy, Withheld},
    trace::Address,
};
use std::collections::{BTreeMap, BTreeSet};

/// Takes back what was derived and decided, and puts all evidence under `calls`, without rules.
pub(crate) fn withdraw(policy: &mut Policy) {
    for (sysno, Withheld { origins, .. }) in std::mem::take(&mut policy.withheld) {
        join::entry(&mut policy.calls, sysno, Entry { origins, ..Entry::default() });
    }
    policy.calls.retain(|_, entry| {
        let Origins { observed, predicted, variant, implied, runtime, decided } =
            &mut entry.origins;
        variant.clear();
        *implied = None;
        *decided = None;
        entry.rules.clear();
        // A call that is made has arguments: no value says that none is known.
        if let Some(predicted) = predicted {
            predicted.arguments.retain(|_, values| !values.is_empty());
        }
        observed.is_some() || predicted.is_some() || !runtime.is_empty()
    });
}

/// Withholds what is not allowed, and adds what a person allowed.
pub(crate) fn decide(policy: &mut Policy) {
    for sysno in allowed_without_evidence(policy) {
        policy.calls.entry(sysno).or_default();
    }
    let settings = policy.settings;
    let decisions = std::mem::take(&mut policy.decisions);
    for (sysno, mut entry) in std::mem::take(&mut policy.calls) {
        let reason = match decision(&decisions, sysno) {
            Some(Decision { verdict: Verdict::Deny, reason }) => Some(denied(reason)),
            Some(Decision { verdict: Verdict::Allow, reason }) => {
                entry.origins.decided = Some(reason.clone());
                None
            }
            None => withhold(sysno, &entry.origins, settings),
        };
        match reason {
            Some(reason) => {
                policy.withheld.insert(sysno, Withheld { origins: entry.origins, reason });
            }
            None => {
                policy.calls.insert(sysno, entry);
            }
        }
    }
    policy.decisions = decisions;
}

/// What becomes of calls that follow from allowed ones: a denial holds for them too, and one that
/// was withheld is allowed as what it stands for is.
pub(crate) fn settle(policy: &mut Policy) {
    let calls = std::mem::take(&mut policy.calls);
    for (sysno, mut entry) in calls {
        if let Some(Decision { verdict: Verdict::Deny, reason }) =
            decision(&policy.decisions, sysno)
        {
            let reason = denied(reason);
            match policy.withheld.get_mut(&sysno) {
                Some(known) => join::origins(&mut known.origins, entry.origins),
                None => {
                    policy.withheld.insert(sysno, Withheld { origins: entry.origins, reason });
                }
            }
            continue;
        }
        if let Some(Withheld { origins, .. }) = policy.withheld.remove(&sysno) {
            join::origins(&mut entry.origins, origins);
        }
        policy.calls.insert(sysno, entry);
    }
}

fn denied(reason: &str) -> String {
    format!("denied by decision: {reason}")
}

/// The decision about a call: one about its architecture goes before one about all.
pub(crate) fn decision(decisions: &BTreeMap<Subject, Decision>, sysno: Sysno) -> Option<&Decision> {
    let name = sysno.label().into_owned();
    let of = |arch| decisions.get(&Subject::Call { arch, name: name.clone() });
    of(Some(sysno.arch())).or_else(|| of(None))
}

/// Calls that a person allowed, on the architectures that the evidence is about.
fn allowed_without_evidence(policy: &Policy) -> Vec<Sysno> {
    let mut arches: BTreeSet<Arch> = policy.arches();
    if arches.is_empty() {
        arches.extend(Arch::native());
    }
    let allowed = policy.decisions.iter().filter(|(_, what)| what.verdict == Verdict::Allow);
    let calls = allowed.filter_map(|(subject, _)| match subject {
        Subject::Call { arch, name } => Some((*arch, name)),
        _ => None,
    });
    let mut found = Vec::new();
    for (arch, name) in calls {
        let arches = arch.map_or_else(|| arches.clone(), |arch| BTreeSet::from([arch]));
        found.extend(arches.into_iter().filter_map(|arch| Sysno::from_name(arch, name)));
    }
    found
}

/// Why a call is not allowed that no person decided about; `None` when it is.
fn withhold(sysno: Sysno, origins: &Origins, settings: Settings) -> Option<String> {
    if origins.observed.is_some() || !origins.runtime.is_empty() || origins.predicted.is_none() {
        return None;
    }
    if sysno.call().is_some_and(|call| call.group == Group::Ring) {
        let reason = Group::Ring.reason();
        return Some(format!("predicted, no run made it, and no strategy allows it: {reason}"));
    }
    match settings.strategy {
        Strategy::Predicted => None,
        Strategy::Observed => Some("predicted, and no run made it".to_owned()),
        Strategy::Balanced => match sysno.call() {
            None => Some("predicted, no run made it, and this profgen does not know it".to_owned()),
            Some(call) if call.group.sensitive() => {
                let (group, reason) = (call.group, call.group.reason());
                Some(format!(
                    "predicted, no run made it, and its group is sensitive: {group}: {reason}"
                ))
            }
            Some(_) if settings.arguments != ArgumentRules::None && argrule::in_memory(sysno) => {
                Some(
                    "predicted, no run made it, and no filter sees the flags that decide its power"
                        .to_owned(),
                )
            }
            Some(_) if argrule::nothing(sysno, origins, settings) => Some(
                "predicted only with arguments that are not ordinary, and no run made it"
                    .to_owned(),
            ),
            Some(_) => None,
        },
    }
}

/// The decisions that change nothing, each with why.
pub fn idle_decisions(policy: &Policy) -> Vec<(Subject, String)> {
    let mut idle = Vec::new();
    for (subject, Decision { verdict, .. }) in &policy.decisions {
        if let Some(why) = idle_elsewhere(policy, subject, *verdict) {
            idle.push((subject.clone(), why.to_owned()));
            continue;
        }
        let Subject::Call { .. } = subject else { continue };
        let allowed = || policy.calls.iter().filter(|(sysno, _)| subject.is_call(**sysno));
        let why = match verdict {
            Verdict::Deny if policy.withheld.keys().any(|sysno| subject.is_call(*sysno)) => {
                continue;
            }
            Verdict::Deny => "nothing would allow it",
            Verdict::Allow if allowed().next().is_none() => "another decision denies it",
            Verdict::Allow if allowed().any(|(sysno, entry)| needed(*sysno, entry, policy)) => {
                continue;
            }
            Verdict::Allow => "it is allowed without it",
        };
        idle.push((subject.clone(), why.to_owned()));
    }
    idle
}

/// Why a decision about a port changes nothing.
fn idle_elsewhere(policy: &Policy, subject: &Subject, verdict: Verdict) -> Option<&'static str> {
    let Subject::Port { protocol, port } = subject else { return None };
    let mut used = policy.endpoints.values().flatten().filter_map(|entry| match entry.address {
        Address::Inet { port, .. } => Some(port),
        _ => None,
    });
    let used = used.any(|used| used == *port);
    match (protocol, verdict) {
        (Protocol::Udp, Verdict::Allow) => Some("nothing here restricts UDP"),
        (_, Verdict::Deny) if !used => Some("nothing would allow it"),
        _ => None,
    }
}

/// Whether an entry is allowed only, or more widely, because of a decision.
fn needed(sysno: Sysno, entry: &Entry, policy: &Policy) -> bool {
    let Origins { observed, predicted, variant, implied, runtime, decided } = &entry.origins;
    if decided.is_none() {
        return false;
    }
    if !variant.is_empty() || implied.is_some() || !runtime.is_empty() {
        return false;
    }
    if observed.is_none() && predicted.is_none() {
        return true;
    }
    let alone = Origins { decided: None, ..entry.origins.clone() };
    let write_and_execute = policy.programs.values().any(|program| program.write_and_execute);
    withhold(sysno, &alone, policy.settings).is_some()
        || !argrule::infer(sysno, &alone, policy.settings, write_and_execute).is_empty()
}
