//! Tables of descriptors, each shared by those threads for which the kernel shares it.

use super::kernel::Opened;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// An open descriptor.
#[derive(Debug, Clone)]
pub struct Held {
    /// What was opened.
    pub opened: Arc<Opened>,
    /// Whether the next execve closes it.
    pub close_on_exec: bool,
    /// Names it among all of the run.
    pub serial: u64,
    /// The process whose image has a record of it.
    pub owner: i32,
    /// The record there.
    pub record: usize,
}

/// What a thread shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    process: i32,
    table: usize,
}

#[derive(Debug, Default)]
struct Table {
    held: BTreeMap<i32, Held>,
    threads: usize,
}

/// The tables of all threads.
#[derive(Debug, Default)]
pub struct Tables {
    tables: Vec<Table>,
    free: Vec<usize>,
    members: HashMap<i32, Member>,
    /// The member that was asked for last: calls come in runs.
    last: Option<(i32, Member)>,
}

impl Tables {
    /// The table of a thread.
    pub fn of(&mut self, tid: i32) -> Option<usize> {
        match self.last {
            Some((last, member)) if last == tid => Some(member.table),
            _ => {
                let member = *self.members.get(&tid)?;
                self.last = Some((tid, member));
                Some(member.table)
            }
        }
    }

    /// The table of any thread of a process, its first one's before others'.
    pub fn of_process(&self, process: i32) -> Option<usize> {
        let first = self.members.get(&process).filter(|member| member.process == process);
        let any = || self.members.values().find(|member| member.process == process);
        first.or_else(any).map(|member| member.table)
    }

    /// The process of a thread.
    pub fn process_of(&self, tid: i32) -> Option<i32> {
        self.members.get(&tid).map(|member| member.process)
    }

    /// What is open in a table.
    pub fn held(&self, table: usize) -> &BTreeMap<i32, Held> {
        &self.tables[table].held
    }

    /// The same, to change it.
    pub fn held_mut(&mut self, table: usize) -> &mut BTreeMap<i32, Held> {
        &mut self.tables[table].held
    }

    /// How many threads share a table.
    pub fn threads(&self, table: usize) -> usize {
        self.tables[table].threads
    }

    /// A new table for a thread, in place of the one that it had.
    pub fn give(&mut self, tid: i32, process: i32, held: BTreeMap<i32, Held>) -> usize {
        let table = self.free.pop().unwrap_or_else(|| {
            self.tables.push(Table::default());
            self.tables.len() - 1
        });
        self.tables[table] = Table { held, threads: 0 };
        self.join(tid, process, table);
        table
    }

    /// A thread shares a table, and no longer the one that it had.
    pub fn join(&mut self, tid: i32, process: i32, table: usize) {
        self.tables[table].threads += 1;
        self.last = None;
        if let Some(former) = self.members.insert(tid, Member { process, table }) {
            self.leave(former.table);
        }
    }

    /// A thread is gone.
    pub fn drop_thread(&mut self, tid: i32) {
        self.last = None;
        if let Some(member) = self.members.remove(&tid) {
            self.leave(member.table);
        }
    }

    /// A process is gone, with all of its threads but, perhaps, one.
    pub fn drop_process(&mut self, process: i32, but: Option<i32>) {
        let tids = self
            .members
            .iter()
            .filter(|(tid, member)| member.process == process && but != Some(**tid));
        for tid in tids.map(|(&tid, _)| tid).collect::<Vec<_>>() {
            self.drop_thread(tid);
        }
    }

    fn leave(&mut self, table: usize) {
        let left = &mut self.tables[table];
        left.threads -= 1;
        if left.threads == 0 {
            left.held.clear();
            self.free.push(table);
        }
    }
}
