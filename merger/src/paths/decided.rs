//! What people decided about paths and ports. A denial goes before all else; what a system or a user
//! keeps for all programs is writable only by a decision.
//!
//! Landlock has no rule that takes away: where something denied lies below a directory that is
//! granted, the directory is not.

use super::{grant::Rules, guard};
use model::{
    Policy, Protocol, Subject, Text, Verdict,
    landlock::{FsRight, LandlockPolicy, NetRight, PathRule, Place},
    trace::FileKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// The decisions of a policy, and what is needed to follow them.
pub(super) struct Decided<'a> {
    policy: &'a Policy,
    variables: BTreeMap<String, BTreeSet<Text>>,
    allowed: BTreeMap<&'a Text, &'a str>,
    denied: BTreeMap<&'a Text, &'a str>,
}

impl<'a> Decided<'a> {
    pub(super) fn of(policy: &'a Policy) -> Decided<'a> {
        let (mut allowed, mut denied) = (BTreeMap::new(), BTreeMap::new());
        for (subject, decision) in &policy.decisions {
            let Subject::Path(path) = subject else { continue };
            match decision.verdict {
                Verdict::Allow => allowed.insert(path, decision.reason.as_str()),
                Verdict::Deny => denied.insert(path, decision.reason.as_str()),
            };
        }
        Decided { policy, variables: super::place::variables(policy), allowed, denied }
    }

    /// Whether something below a directory is denied.
    pub(super) fn denies_inside(&self, place: &Place) -> bool {
        self.paths(place).iter().any(|at| self.denied.keys().any(|path| is_at_or_below(path, at)))
    }

    /// The absolute paths of a place.
    fn paths(&self, place: &Place) -> Vec<Text> {
        match &place.variable {
            None => vec![place.path.clone()],
            Some(name) => {
                let values = self.variables.get(name).into_iter().flatten();
                values.map(|value| place.below(value)).collect()
            }
        }
    }

    /// The rules under the decisions, and what a reader must know of that.
    pub(super) fn apply(&self, rules: Rules) -> (Rules, Vec<String>) {
        let mut notes = Vec::new();
        let mut kept = Rules::new();
        for (place, rule) in rules {
            if let Some(rule) = self.unguarded(&place, rule, &mut notes) {
                kept.insert(place, rule);
            }
        }
        for (path, reason) in &self.allowed {
            let rule = kept.entry(Place::absolute((*path).clone())).or_default();
            rule.rights.extend(self.all_rights(path));
            rule.whole |= rule.rights.iter().any(|right| !right.of_files());
            rule.decided = Some((*reason).to_owned());
            rule.widened.insert(format!("decided: {reason}"));
        }
        kept.retain(|place, rule| !self.is_denied(place, rule, &mut notes));
        (kept, notes)
    }

    /// The rule without what only a decision grants in a guarded directory.
    fn unguarded(
        &self,
        place: &Place,
        mut rule: PathRule,
        notes: &mut Vec<String>,
    ) -> Option<PathRule> {
        let Some(what) = guard::guarded(place) else { return Some(rule) };
        // There a process finds itself and its children, under names that no rule can know; whose
        // they are is checked by the kernel.
        if !rule.whole || place.path.as_bytes() == b"/proc" {
            return Some(rule);
        }
        let paths = self.paths(place);
        let allows = |at: &Text| self.allowed.keys().any(|path| is_at_or_below(at, path));
        if paths.iter().any(allows) {
            return Some(rule);
        }
        let taken: Vec<&str> = rule
            .rights
            .iter()
            .filter(|right| **right != FsRight::ReadDir)
            .map(|right| right.name())
            .collect();
        if !taken.is_empty() {
            let example = rule.observed.keys().next().map(Text::to_string).unwrap_or_default();
            let at = paths.first().map_or_else(|| place.to_string(), Text::to_string);
            let note = format!(
                "{at}: not granted ({}), though runs used it for {example}: {what} is granted only by \
                 decision (profgen decide POLICY allow {at} --reason ...)",
                taken.join(", ")
            );
            // One directory may be several places, and the working directory is granted.
            let working = self.variables.get("CWD");
            let granted = working.is_some_and(|known| paths.iter().any(|at| known.contains(at)));
            if !granted && !notes.contains(&note) {
                notes.push(note);
            }
        }
        rule.rights.retain(|right| *right == FsRight::ReadDir);
        (!rule.rights.is_empty()).then_some(rule)
    }

    /// Whether a rule would grant what a decision denies.
    fn is_denied(&self, place: &Place, rule: &PathRule, notes: &mut Vec<String>) -> bool {
        let paths = self.paths(place);
        for (denied, reason) in &self.denied {
            if paths.iter().any(|at| is_at_or_below(at, denied)) {
                return true;
            }
            // A rule for listing directories grants no file below.
            let grants = rule.rights.iter().any(|right| *right != FsRight::ReadDir);
            if grants && rule.whole && paths.iter().any(|at| is_at_or_below(denied, at)) {
                notes.push(format!(
                    "{place}: not granted: {denied} below it is denied by decision ({reason}), and a \
                     directory is granted with all that is in it"
                ));
                return true;
            }
        }
        false
    }

    /// Every right that can stand on a path but those that make devices or move things elsewhere.
    fn all_rights(&self, path: &Text) -> BTreeSet<FsRight> {
        let file = self.policy.files.get(path).is_some_and(|entry| {
            !entry.found.is_empty() && !entry.found.contains(&FileKind::Directory)
        });
        let never = [FsRight::Refer, FsRight::MakeChar, FsRight::MakeBlock];
        let all = FsRight::ALL.iter().copied().filter(|right| !never.contains(right));
        all.filter(|right| !file || right.of_files()).collect()
    }

    /// The ports under the decisions.
    pub(super) fn ports(&self, landlock: &mut LandlockPolicy) {
        for (subject, decision) in &self.policy.decisions {
            match (subject, decision.verdict) {
                (Subject::Port { protocol: Protocol::Tcp, port }, Verdict::Allow) => {
                    landlock.ports.insert(*port, NetRight::ALL.iter().copied().collect());
                }
                (Subject::Port { protocol: Protocol::Tcp, port }, Verdict::Deny) => {
                    landlock.ports.remove(port);
                }
                (Subject::Port { protocol: Protocol::Udp, port }, Verdict::Deny) => {
                    landlock.notes.push(format!(
                        "udp:{port} is denied by decision, and not enforced: ABI {} has no word for \
                         UDP",
                        landlock.abi
                    ));
                }
                _ => {}
            }
        }
    }
}

fn is_at_or_below(path: &Text, directory: &Text) -> bool {
    let directory = directory.as_bytes();
    path.as_bytes()
        .strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/") || directory == b"/")
}
