//! What a recorder has collected, in the trace's form.

use super::{PROCESSES_BOUND, Recorder};
use crate::{plan::Slots, program::ProgramState};
use model::{
    Sysno, Text,
    descriptor::{Followed, Image, Stack},
    trace::{Completeness, Process, Program},
};
use std::collections::BTreeSet;

/// The trace's lists.
pub struct Finished {
    /// By executable.
    pub programs: Vec<Program>,
    /// In the order in which they were seen.
    pub processes: Vec<Process>,
    /// What they held and named.
    pub images: Vec<Image>,
    /// From where.
    pub stacks: Vec<Stack>,
    /// What may have been missed.
    pub completeness: Completeness,
}

impl Recorder {
    /// The trace's lists.
    pub fn finish(self) -> Finished {
        let cut = self.programs.iter().flat_map(ProgramState::cuts).collect::<BTreeSet<_>>();
        let mut completeness = Completeness {
            lost: self.lost,
            unread: self.unread,
            untraced: self.untraced.into_iter().collect(),
            cut: cut.into_iter().collect(),
            privileges: self.privileges.into_iter().collect(),
            notes: self.notes,
            ..Completeness::default()
        };
        if self.records.len() > PROCESSES_BOUND {
            let what = "the processes listed one by one".to_owned();
            completeness.cut.push(model::trace::Cut { what, bound: PROCESSES_BOUND as u64 });
        }
        let mut order: Vec<usize> = (0..self.programs.len()).collect();
        order.sort_by(|&a, &b| self.programs[a].path.cmp(&self.programs[b].path));
        let mut place = vec![0_u32; order.len()];
        for (position, &index) in order.iter().enumerate() {
            place[index] = position as u32;
        }
        let paths: Vec<Text> = self.programs.iter().map(|program| program.path.clone()).collect();
        let (mut images, mut stacks) = (Vec::new(), Vec::new());
        if let Some(follower) = self.follower {
            if follower.corrected() > 0 {
                completeness.notes.insert(format!(
                    "{} descriptors were not followed as the kernel had them when a program began",
                    follower.corrected()
                ));
            }
            let cut;
            (images, stacks, cut) = follower.finish(&place, &paths);
            completeness.cut.extend(cut);
            completeness.descriptors = Followed::Exact;
        }
        let mut programs: Vec<Program> =
            self.programs.into_iter().map(|program| program.finish(&self.slots)).collect();
        programs.sort_by(|a, b| a.path.cmp(&b.path));
        let slots = &self.slots;
        let listed = self.records.into_iter().take(PROCESSES_BOUND).enumerate();
        let processes = listed.map(|(id, record)| Process {
            id: id as u32,
            parent: record.parent.map(|parent| parent as u32),
            programs: record.programs.iter().map(|&program| place[program]).collect(),
            threads: record.threads,
            calls: by_call(slots, &record.counts),
            ended: record.ended,
        });
        let processes = processes.collect();
        Finished { programs, processes, images, stacks, completeness }
    }
}

fn by_call(slots: &Slots, counts: &[u64]) -> std::collections::BTreeMap<Sysno, u64> {
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted.map(|(slot, &count)| (slots.plan(slot).sysno, count)).collect()
}
