//! What one executable did so far, and the trace's form of it.

use crate::{observe::Observation, paths::Place, plan::Slots};
use foldhash::HashMap;
use model::{
    Access, Arguments, Text, Words,
    capability::Check,
    errno,
    trace::{
        Address, CallRecord, Cut, Endpoint, EndpointOperation, FileKind, FileRecord, Mark, Module,
        Outcomes, Program, Site,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// How many file names of one program are kept one by one; past it, siblings share a record
/// (`/dir/*`), and past twice as many all share one (`/*`).
const FILES_BOUND: usize = 65_536;
/// How many endpoints of one program are kept; past it, only the operation and the family are.
const ENDPOINTS_BOUND: usize = 4_096;

/// The record of a call that is still growing.
#[derive(Debug, Clone, Default)]
struct CallState {
    count: u64,
    errors: BTreeMap<&'static str, u64>,
    site: Option<Site>,
    located: bool,
    arguments: Option<Arguments>,
    checks: BTreeSet<Check>,
    marks: BTreeSet<Mark>,
    /// The last row of values: most calls repeat it.
    last: Vec<u64>,
}

#[derive(Debug, PartialEq, Eq, Hash, Clone)]
struct FileKey {
    named: Text,
    resolved: Option<Text>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    found: Words<FileKind>,
    /// Few each: a map would be most of what a program with many files takes.
    accesses: Vec<(Access, Outcomes)>,
    checks: BTreeSet<Check>,
    moves: BTreeSet<Text>,
    /// Somebody named it for whom it is not in an entry of its own in /proc, or not the first process.
    others: bool,
}

impl FileState {
    fn outcomes(&mut self, access: Access) -> &mut Outcomes {
        let at = self.accesses.iter().position(|(known, _)| *known == access);
        let at = at.unwrap_or_else(|| {
            self.accesses.reserve_exact(1);
            self.accesses.push((access, Outcomes::default()));
            self.accesses.len() - 1
        });
        &mut self.accesses[at].1
    }
}

type EndpointKey = (EndpointOperation, Address, Option<String>);

/// What one executable did so far.
#[derive(Debug, Clone)]
pub struct ProgramState {
    /// The executable.
    pub path: Text,
    /// How often it was executed.
    pub executions: u64,
    write_and_execute: bool,
    calls: Vec<CallState>,
    /// Where each file stands in `states`.
    files: HashMap<FileKey, usize>,
    states: Vec<FileState>,
    files_cut: bool,
    endpoints: HashMap<EndpointKey, Outcomes>,
    endpoints_cut: bool,
    modules: BTreeMap<Text, Module>,
}

/// A file by its place in `states`, and what a call did to it.
type Accessed = (usize, Vec<Access>, BTreeSet<Check>);

/// Where the result of a call goes once it is known.
#[derive(Debug)]
pub struct Pending {
    program: usize,
    slot: usize,
    files: Vec<Accessed>,
    /// The file that was moved or linked, and where to.
    moved: Option<(usize, Text)>,
    checks: BTreeSet<Check>,
    marks: BTreeSet<Mark>,
    endpoints: Vec<EndpointKey>,
}

impl Pending {
    /// The program whose call it is.
    pub fn program(&self) -> usize {
        self.program
    }

    /// Whether something of it only counts when the call succeeded.
    pub fn is_conditional(&self) -> bool {
        !self.checks.is_empty() || !self.marks.is_empty()
    }
}

impl ProgramState {
    /// A program that has done nothing yet.
    pub fn new(path: Text) -> ProgramState {
        ProgramState {
            path,
            executions: 0,
            write_and_execute: false,
            calls: Vec::new(),
            files: HashMap::default(),
            states: Vec::new(),
            files_cut: false,
            endpoints: HashMap::default(),
            endpoints_cut: false,
            modules: BTreeMap::new(),
        }
    }

    /// Counts a call. Whether its site is still wanted.
    pub fn count(&mut self, slot: usize) -> bool {
        self.add(slot, 1);
        !self.calls[slot].located
    }

    /// Counts calls that tell nothing else.
    pub fn add(&mut self, slot: usize, count: i64) {
        if self.calls.len() <= slot {
            self.calls.resize_with(slot + 1, CallState::default);
        }
        let call = &mut self.calls[slot];
        call.count = call.count.saturating_add_signed(count);
    }

    /// Sets the site of a call; it is not asked for again.
    pub fn locate(&mut self, slot: usize, site: Option<Site>) {
        self.calls[slot].site = site;
        self.calls[slot].located = true;
    }

    /// Whether a module is known already.
    pub fn has_module(&self, path: &Text) -> bool {
        self.modules.contains_key(path)
    }

    /// Adds a module.
    pub fn add_module(&mut self, module: Module) {
        self.modules.insert(module.path.clone(), module);
    }

    /// Takes in what a call carried; its outcome follows.
    pub fn take(
        &mut self,
        index: usize,
        slot: usize,
        names: impl Iterator<Item = &'static str>,
        observation: Observation,
    ) -> Pending {
        let call = &mut self.calls[slot];
        if !observation.values.is_empty() && call.last != observation.values {
            let arguments = call
                .arguments
                .get_or_insert_with(|| Arguments::new(names.map(str::to_owned).collect()));
            arguments.insert(&observation.values);
            call.last = observation.values;
        }
        let write_execute = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
        self.write_and_execute |=
            observation.protection.is_some_and(|bits| bits & write_execute == write_execute);
        let own = observation.own;
        let moves = [Access::RenameFrom, Access::Exchange, Access::LinkFrom];
        let to = match &observation.files[..] {
            [(_, accesses), (to, _)] if moves.iter().any(|how| accesses.contains(how)) => {
                Some(to.named.clone())
            }
            _ => None,
        };
        let files =
            observation.files.into_iter().map(|(place, accesses)| self.file(place, accesses, own));
        let files: Vec<Accessed> = files.collect();
        let moved = files.first().map(|(from, ..)| *from).zip(to);
        let (checks, marks) = (observation.checks, observation.marks);
        let endpoints = observation.endpoints.into_iter().map(|key| self.endpoint(key)).collect();
        Pending { program: index, slot, files, moved, checks, marks, endpoints }
    }

    fn file(&mut self, place: Place, accesses: Vec<Access>, own: Option<i32>) -> Accessed {
        let mut key = FileKey { named: place.named, resolved: place.resolved };
        let mut known = self.files.get(&key).copied();
        if known.is_none() && self.files.len() >= FILES_BOUND {
            self.files_cut = true;
            let named = siblings(&key.named);
            key = FileKey { named, resolved: key.resolved.as_ref().map(siblings) };
            known = self.files.get(&key).copied();
            if known.is_none() && self.files.len() >= 2 * FILES_BOUND {
                key = FileKey { named: Text::from("/*"), resolved: None };
                known = self.files.get(&key).copied();
            }
        }
        let of_own = own.is_some_and(|process| is_of(process, place_of(&key)));
        let at = known.unwrap_or_else(|| {
            self.states.push(FileState::default());
            self.files.insert(key, self.states.len() - 1);
            self.states.len() - 1
        });
        let file = &mut self.states[at];
        file.found.extend(place.found);
        file.others |= !of_own;
        (at, accesses, place.checks)
    }

    fn endpoint(&mut self, mut key: EndpointKey) -> EndpointKey {
        if self.endpoints.len() >= ENDPOINTS_BOUND && !self.endpoints.contains_key(&key) {
            self.endpoints_cut = true;
            key.1 = match key.1 {
                Address::Inet { .. } => Address::Inet { host: "*".to_owned(), port: 0 },
                Address::Unix { .. } => Address::Unix { path: Text::from("/*"), resolved: None },
                Address::Abstract { .. } => Address::Abstract { name: Text::from("*") },
                other => other,
            };
        }
        self.endpoints.entry(key.clone()).or_default();
        key
    }

    /// Settles a call: `result` is what the kernel returned, absent where it was not seen.
    pub fn settle(&mut self, pending: &Pending, result: Option<i64>) {
        // ERESTARTSYS and its like, which only a tracer sees: the call is made again, or fails with
        // EINTR; that is not known here.
        let result = result.filter(|result| !(-516..=-512).contains(result));
        let failed = result.filter(|&result| result < 0).map(|result| {
            let number = i32::try_from(-result).unwrap_or_default();
            errno::name(number).unwrap_or("unknown error")
        });
        if let Some(name) = failed {
            *self.calls[pending.slot].errors.entry(name).or_default() += 1;
        }
        let settle = |outcomes: &mut Outcomes| match (result, failed) {
            (None, _) => outcomes.unknown += 1,
            (Some(_), None) => outcomes.ok += 1,
            (Some(_), Some(name)) => *outcomes.failed.entry(name.to_owned()).or_default() += 1,
        };
        let worked = failed.is_none();
        for (at, accesses, checks) in &pending.files {
            let file = &mut self.states[*at];
            if worked {
                file.checks.extend(checks);
            }
            for access in accesses {
                settle(file.outcomes(*access));
            }
        }
        if worked {
            self.calls[pending.slot].checks.extend(&pending.checks);
            self.calls[pending.slot].marks.extend(&pending.marks);
            if let Some((from, to)) = &pending.moved {
                self.states[*from].moves.insert(to.clone());
            }
        }
        for key in &pending.endpoints {
            settle(self.endpoints.entry(key.clone()).or_default());
        }
    }

    /// What was cut at a bound.
    pub fn cuts(&self) -> impl Iterator<Item = Cut> {
        let cut = |what: &str, bound: usize| Cut {
            what: format!("{what} of {}", self.path),
            bound: bound as u64,
        };
        let files = self.files_cut.then(|| cut("file names", FILES_BOUND));
        let endpoints = self.endpoints_cut.then(|| cut("endpoints", ENDPOINTS_BOUND));
        files.into_iter().chain(endpoints)
    }

    /// The trace's form.
    pub fn finish(mut self, slots: &Slots) -> Program {
        let mut calls = BTreeMap::new();
        for (slot, call) in self.calls.into_iter().enumerate().filter(|(_, call)| call.count > 0) {
            let errors = call.errors.into_iter().map(|(name, count)| (name.to_owned(), count));
            let record = CallRecord {
                count: call.count,
                errors: errors.collect(),
                site: call.site,
                arguments: call.arguments,
                checks: call.checks,
                marks: call.marks,
            };
            calls.insert(slots.plan(slot).sysno, record);
        }
        let mut files: Vec<_> = self.files.into_iter().collect();
        // No two are equal.
        files.sort_unstable_by(|(a, _), (b, _)| {
            (&a.named, &a.resolved).cmp(&(&b.named, &b.resolved))
        });
        let files = files.into_iter().map(|(key, at)| {
            let mut state = std::mem::take(&mut self.states[at]);
            state.accesses.sort_unstable_by_key(|(access, _)| *access);
            FileRecord {
                path: key.named,
                resolved: key.resolved,
                found: state.found,
                accesses: state.accesses,
                checks: state.checks,
                moves: state.moves,
                own: !state.others,
            }
        });
        let mut endpoints: Vec<_> = self.endpoints.into_iter().collect();
        endpoints.sort_by(|(a, _), (b, _)| a.cmp(b));
        let endpoints = endpoints.into_iter().map(|((operation, address, socket), outcomes)| {
            Endpoint { operation, address, socket, outcomes }
        });
        Program {
            path: self.path,
            executions: self.executions,
            write_and_execute: self.write_and_execute,
            calls,
            files: files.collect(),
            endpoints: endpoints.collect(),
            modules: self.modules.into_values().collect(),
        }
    }
}

fn place_of(key: &FileKey) -> &Text {
    key.resolved.as_ref().unwrap_or(&key.named)
}

/// Whether a path is in the entry of a process in /proc.
fn is_of(process: i32, path: &Text) -> bool {
    let Some(rest) = path.as_bytes().strip_prefix(b"/proc/") else { return false };
    rest.strip_prefix(process.to_string().as_bytes())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// `/a/*` for `/a/b`.
fn siblings(path: &Text) -> Text {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    Text::from([&bytes[..end], b"*"].concat())
}
