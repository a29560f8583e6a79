//! What a policy keeps of descriptors and of the order in which global names were used, so that it
//! can be said how a program could confine itself and from when on.
//!
//! All of it joins: sets grow, spans and counts widen, and what is past a bound is dropped from the
//! end of an order that depends on the content alone. So it does not matter in which order and
//! grouping runs are merged.

use crate::{
    Sysno, Text,
    descriptor::{Detail, Name, Object, PipeEnd},
    serial::is_false,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

/// What one kind of process of one program did: see [`Kept`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confinement {
    /// What it held, by what it held it for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<Id, Role>,
    /// Where it used global names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<Id, Step>,
    /// In which order: one for each way that processes went.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub timelines: BTreeSet<Timeline>,
    /// Some of it was past a bound and is not here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
}

/// The kinds of processes of a program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Those that began by executing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Confinement>,
    /// Those that such a process forked, and that executed nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked: Option<Confinement>,
}

/// Names a role or a step by its content: the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u64);

/// Descriptors that came to be in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// How.
    pub source: Source,
    /// What they refer to.
    pub object: Object,
    /// From where: the calls that led to it, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// Their files, up to [`Role::BOUND`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub paths: BTreeSet<Text>,
    /// There were more files.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// Their numbers, up to [`Role::BOUND`].
    pub numbers: BTreeSet<i32>,
    /// Those that they came from: the listening socket, the directory.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub from: BTreeSet<Id>,
    /// What was done through them, with the calls that led to it first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<UseKey, Vec<String>>,
    /// One process held several of them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub several: bool,
    /// One was open when the process executed another program.
    #[serde(default, skip_serializing_if = "is_false")]
    pub crossed_exec: bool,
}

impl Role {
    /// How many paths and numbers are kept: the first by name.
    pub const BOUND: usize = 8;

    /// One of which nothing else is known yet.
    pub fn new(source: Source, object: Object, chain: Vec<String>) -> Role {
        Role {
            source,
            object,
            chain,
            paths: BTreeSet::new(),
            more: false,
            numbers: BTreeSet::new(),
            from: BTreeSet::new(),
            uses: BTreeMap::new(),
            several: false,
            crossed_exec: false,
        }
    }
}

/// How descriptors came to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Source {
    /// They were there from the start: the standard streams by their numbers.
    Inherited {
        /// 0, 1 or 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        standard: Option<i32>,
    },
    /// They were opened.
    Opened {
        /// O_, without those that are about the opening alone.
        flags: u64,
        /// By a directory descriptor.
        #[serde(default, skip_serializing_if = "is_false")]
        relative: bool,
    },
    /// socket(2).
    Socket,
    /// socketpair(2).
    SocketPair,
    /// accept(2).
    Accepted,
    /// pipe(2).
    Pipe(PipeEnd),
    /// From another process.
    Received,
    /// A copy of one that is not known.
    Copied,
    /// Any other call, by its name.
    Made(String),
}

/// Global names used by one call from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The call's name.
    pub call: String,
    /// The calls that led to it, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// The names, up to [`Step::BOUND`].
    pub names: BTreeSet<Name>,
    /// There were more names.
    #[serde(default, skip_serializing_if = "is_false")]
    pub more: bool,
    /// One of them succeeded, or may have.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ok: bool,
    /// How often one process did it, at least and at most.
    pub times: (u64, u64),
}

impl Step {
    /// How many names are kept: the first in order.
    pub const BOUND: usize = 12;
}

/// When the parts of one process's life first and last came: the smallest numbers that keep the
/// order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline(pub BTreeMap<Event, Span>);

/// A part of a process's life.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// Its main function began.
    Main,
    /// It used a global name.
    Name(Id),
    /// It made a descriptor of a role.
    Made(Id),
    /// It used one.
    Use(Id, UseKey),
    /// It made a call.
    Call(Sysno),
}

/// First and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// When it first came.
    pub first: u32,
    /// When it last came.
    pub last: u32,
}

/// What was done through a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UseKey {
    /// The call's name.
    pub call: String,
    /// Which of its arguments the descriptor was.
    pub argument: u8,
    /// What else decides which right it takes.
    pub detail: Option<Detail>,
}

impl Confinement {
    /// How many roles are kept, and how many steps.
    pub const BOUND: usize = 2048;
    /// How many timelines are kept.
    pub const TIMELINES_BOUND: usize = 64;

    /// Adds what `other` says.
    pub fn join(&mut self, other: Confinement) {
        let Confinement { roles, steps, timelines, more } = other;
        self.more |= more;
        for (id, new) in roles {
            match self.roles.get_mut(&id) {
                Some(known) => known.join(new),
                None => drop(self.roles.insert(id, new)),
            }
        }
        for (id, new) in steps {
            match self.steps.get_mut(&id) {
                Some(known) => known.join(new),
                None => drop(self.steps.insert(id, new)),
            }
        }
        self.timelines.extend(timelines);
        self.bound();
    }

    /// Drops what is past the bounds.
    pub fn bound(&mut self) {
        for role in self.roles.values_mut() {
            role.more |= cut(&mut role.paths, Role::BOUND);
            cut(&mut role.numbers, Role::BOUND);
        }
        for step in self.steps.values_mut() {
            step.more |= cut(&mut step.names, Step::BOUND);
        }
        while self.roles.len() > Confinement::BOUND {
            self.roles.pop_last();
            self.more = true;
        }
        while self.steps.len() > Confinement::BOUND {
            self.steps.pop_last();
            self.more = true;
        }
        self.more |= cut(&mut self.timelines, Confinement::TIMELINES_BOUND);
    }
}

impl Kept {
    /// Adds what `other` says.
    pub fn join(&mut self, other: Kept) {
        for (known, new) in [(&mut self.executed, other.executed), (&mut self.forked, other.forked)]
        {
            if let Some(new) = new {
                known.get_or_insert_default().join(new);
            }
        }
    }
}

impl Role {
    fn join(&mut self, other: Role) {
        // Those of one id differ in these only when a file was changed by hand.
        let ours = (&self.source, &self.object, &self.chain);
        if (&other.source, &other.object, &other.chain) < ours {
            self.source = other.source;
            self.object = other.object;
            self.chain = other.chain;
        }
        self.paths.extend(other.paths);
        self.numbers.extend(other.numbers);
        self.from.extend(other.from);
        self.more |= other.more;
        self.several |= other.several;
        self.crossed_exec |= other.crossed_exec;
        for (key, chain) in other.uses {
            self.uses
                .entry(key)
                .and_modify(|known| {
                    // An unknown place gives way to a known one.
                    if (chain.is_empty(), &chain) < (known.is_empty(), known) {
                        known.clone_from(&chain);
                    }
                })
                .or_insert(chain);
        }
    }
}

impl Step {
    fn join(&mut self, other: Step) {
        if (&other.call, &other.chain) < (&self.call, &self.chain) {
            self.call = other.call;
            self.chain = other.chain;
        }
        self.names.extend(other.names);
        self.more |= other.more;
        self.ok |= other.ok;
        self.times = (self.times.0.min(other.times.0), self.times.1.max(other.times.1));
    }
}

fn cut<T: Ord>(set: &mut BTreeSet<T>, bound: usize) -> bool {
    let over = set.len() > bound;
    while set.len() > bound {
        set.pop_last();
    }
    over
}

impl Id {
    /// The id of a content: FNV-1a over its parts, so that it does not change with the compiler.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Id {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Id(hash)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let parsed = u64::from_str_radix(text, 16).ok().map(Id);
        parsed.filter(|id| id.to_string() == text).ok_or_else(|| format!("{text:?} is no id"))
    }
}

/// `4-9`, or `4` when the first is the last.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span { first, last } if first == last => write!(f, "{first}"),
            Span { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Span { first, last }),
            _ => Err(format!("{text:?} is no span")),
        }
    }
}

/// `read 0`, `mmap 4 {"map":{"prot":1,"shared":false}}`.
impl fmt::Display for UseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.argument)?;
        match &self.detail {
            None => Ok(()),
            Some(detail) => {
                write!(f, " {}", serde_json::to_string(detail).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl FromStr for UseKey {
    type Err = String;

    fn from_str(text: &str) -> Result<UseKey, String> {
        let bad = || format!("{text:?} is no use of a descriptor");
        let mut words = text.splitn(3, ' ');
        let (call, argument) = (words.next().ok_or_else(bad)?, words.next().ok_or_else(bad)?);
        let detail = words.next().map(serde_json::from_str).transpose();
        Ok(UseKey {
            call: call.to_owned(),
            argument: argument.parse().map_err(|_| bad())?,
            detail: detail.map_err(|_| bad())?,
        })
    }
}

/// `main`, `name ID`, `made ID`, `use ID read 0`, `call x86_64 read`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Main => f.write_str("main"),
            Event::Name(id) => write!(f, "name {id}"),
            Event::Made(id) => write!(f, "made {id}"),
            Event::Use(id, key) => write!(f, "use {id} {key}"),
            Event::Call(sysno) => write!(f, "call {sysno:#}"),
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Event, String> {
        let bad = || format!("{text:?} is no event");
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "main" if rest.is_empty() => Ok(Event::Main),
            "name" => Ok(Event::Name(rest.parse()?)),
            "made" => Ok(Event::Made(rest.parse()?)),
            "use" => {
                let (id, key) = rest.split_once(' ').ok_or_else(bad)?;
                Ok(Event::Use(id.parse()?, key.parse()?))
            }
            "call" => {
                let (arch, name) = rest.split_once(' ').ok_or_else(bad)?;
                let arch = crate::Arch::ALL.iter().find(|known| known.name() == arch);
                let arch = arch.ok_or_else(bad)?;
                Ok(Event::Call(Sysno::from_name(*arch, name).ok_or_else(bad)?))
            }
            _ => Err(bad()),
        }
    }
}

/// Types that JSON has as a text.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

as_text!(Id, Span, UseKey, Event);
