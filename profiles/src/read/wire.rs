//! A profile's JSON, field by field, with bounds on everything that is kept.

use super::{Answer, ArchMapping, Argument, Condition, Entry, Kind, Profile, ReadError};
use model::CmpOp;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// The largest profile.
pub(super) const BYTES: usize = 16 << 20;
/// The longest list.
const ITEMS: usize = 65_536;
/// How many unknown fields are kept, and how much of each name.
const UNKNOWN: usize = 16;
const UNKNOWN_NAME: usize = 40;

/// Reads a `linux.seccomp` object, alone or in its config.json.
pub(super) fn profile(json: &[u8]) -> Result<Profile, ReadError> {
    if json.len() > BYTES {
        return Err(ReadError::TooLarge(json.len()));
    }
    let Object(top) = serde_json::from_slice::<Object<Top>>(json).map_err(ReadError::Malformed)?;
    match (top.seccomp.default, top.linux) {
        (Some(_), _) => Ok(top.seccomp.profile(top.unknown)),
        (None, Some(Linux { seccomp: Some(Object(seccomp)) })) => match seccomp.default {
            Some(_) => Ok(seccomp.profile(Vec::new())),
            None => Err(ReadError::NoDefault),
        },
        (None, Some(Linux { seccomp: None })) => Err(ReadError::NoSeccomp),
        (None, None) => Err(ReadError::NoDefault),
    }
}

/// A JSON object whose fields a type takes one by one.
trait Fields: Default {
    /// Takes the value of a field, or says that it knows none of that name.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;

    /// Keeps the name of a field that it does not know.
    fn unknown(&mut self, _: String) {}
}

struct Object<T>(T);

impl<'de, T: Fields> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Object)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut value = T::default();
        while let Some(name) = map.next_key::<String>()? {
            if !value.field(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                value.unknown(name.chars().take(UNKNOWN_NAME).collect());
            }
        }
        Ok(value)
    }
}

/// A list of not too many; null is an empty one, as in Go.
struct List<T>(Vec<T>);

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData)).map(List)
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == ITEMS {
                return Err(A::Error::custom(format!("a list of more than {ITEMS}")));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// The outermost object: a profile, or a configuration that has one.
#[derive(Default)]
struct Top {
    seccomp: Seccomp,
    linux: Option<Linux>,
    unknown: Vec<String>,
}

impl Fields for Top {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        if name == "linux" {
            self.linux = map.next_value::<Option<Object<Linux>>>()?.map(|Object(linux)| linux);
            return Ok(true);
        }
        self.seccomp.field(name, map)
    }

    fn unknown(&mut self, name: String) {
        if self.unknown.len() < UNKNOWN {
            self.unknown.push(name);
        }
    }
}

#[derive(Default)]
struct Linux {
    seccomp: Option<Object<Seccomp>>,
}

impl Fields for Linux {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let known = name == "seccomp";
        if known {
            self.seccomp = map.next_value()?;
        }
        Ok(known)
    }
}

#[derive(Default)]
struct Seccomp {
    default: Option<Kind>,
    errno: Option<u64>,
    architectures: List<String>,
    arch_map: List<Object<ArchMapping>>,
    flags: List<String>,
    listener_path: Option<String>,
    syscalls: List<Object<WireEntry>>,
    unknown: Vec<String>,
}

impl Seccomp {
    fn profile(self, mut unknown: Vec<String>) -> Profile {
        unknown.extend(self.unknown);
        let mut entries = Vec::with_capacity(self.syscalls.0.len());
        for (position, Object(wire)) in self.syscalls.0.into_iter().enumerate() {
            let fields = wire.unknown.iter().map(|name| format!("syscalls[{position}].{name}"));
            unknown.extend(fields.take(UNKNOWN.saturating_sub(unknown.len())));
            entries.push(Entry { position, ..wire.entry });
        }
        Profile {
            default: Answer { kind: self.default.unwrap_or(Kind::Errno), errno: self.errno },
            architectures: self.architectures.0,
            arch_map: self.arch_map.0.into_iter().map(|Object(row)| row).collect(),
            flags: self.flags.0,
            listener_path: self.listener_path,
            entries,
            unknown_fields: unknown,
        }
    }
}

impl Fields for Seccomp {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "defaultAction" => self.default = Some(map.next_value()?),
            "defaultErrnoRet" => self.errno = map.next_value::<Option<u64>>()?.or(self.errno),
            "defaultErrno" => self.errno = map.next_value::<ErrnoName>()?.0.or(self.errno),
            "architectures" => self.architectures = map.next_value()?,
            "archMap" => self.arch_map = map.next_value()?,
            "flags" => self.flags = map.next_value()?,
            "listenerPath" => self.listener_path = map.next_value()?,
            "listenerMetadata" => drop(map.next_value::<IgnoredAny>()?),
            "syscalls" => self.syscalls = map.next_value()?,
            // A comment of its own is what people write where JSON has none.
            _ => return comment(name, map),
        }
        Ok(true)
    }

    fn unknown(&mut self, name: String) {
        if self.unknown.len() < UNKNOWN {
            self.unknown.push(name);
        }
    }
}

/// Passes over what is there for people only.
fn comment<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<bool, A::Error> {
    let known = matches!(name, "comment" | "$schema") || name.starts_with(['_', '/', '#']);
    if known {
        map.next_value::<IgnoredAny>()?;
    }
    Ok(known)
}

#[derive(Default)]
struct WireEntry {
    entry: Entry,
    unknown: Vec<String>,
}

impl Fields for WireEntry {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        let entry = &mut self.entry;
        let errno = &mut entry.answer.errno;
        match name {
            "names" => entry.names.extend(map.next_value::<List<String>>()?.0),
            "name" => {
                // Docker's own files have "name": "" beside "names".
                let name = map.next_value::<Option<String>>()?.filter(|name| !name.is_empty());
                entry.single_name |= name.is_some();
                entry.names.extend(name);
            }
            "action" => entry.answer.kind = map.next_value()?,
            "errnoRet" => *errno = map.next_value::<Option<u64>>()?.or(*errno),
            "errno" => *errno = map.next_value::<ErrnoName>()?.0.or(*errno),
            "args" => {
                let args = map.next_value::<List<Object<WireArgument>>>()?.0;
                let args = args.into_iter().map(|Object(wire)| wire.argument());
                entry.args = args.collect::<Result<_, _>>().map_err(A::Error::custom)?;
            }
            "includes" => entry.includes = condition(map)?,
            "excludes" => entry.excludes = condition(map)?,
            _ => return comment(name, map),
        }
        Ok(true)
    }

    fn unknown(&mut self, name: String) {
        if self.unknown.len() < UNKNOWN {
            self.unknown.push(name);
        }
    }
}

fn condition<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Condition, A::Error> {
    let condition = map.next_value::<Option<Object<Condition>>>()?;
    Ok(condition.map(|Object(condition)| condition).unwrap_or_default())
}

impl Fields for Condition {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "caps" => self.caps = map.next_value::<List<String>>()?.0,
            "arches" => self.arches = map.next_value::<List<String>>()?.0,
            "minKernel" => {
                let text = map.next_value::<Option<String>>()?.filter(|text| !text.is_empty());
                self.min_kernel = match text {
                    Some(text) => Some(release(&text).ok_or_else(|| {
                        A::Error::custom("minKernel: expected two numbers as in \"4.8\"")
                    })?),
                    None => None,
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `4.8`.
pub(super) fn release(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl Fields for ArchMapping {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "architecture" => self.architecture = map.next_value()?,
            "subArchitectures" => {
                self.sub_architectures = map.next_value::<List<String>>()?.0;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct WireArgument {
    index: Option<u64>,
    value: Option<u64>,
    value_two: u64,
    op: Option<Op>,
}

impl WireArgument {
    fn argument(self) -> Result<Argument, &'static str> {
        match (self.index, self.value, self.op) {
            (Some(index), Some(value), Some(Op(op))) => {
                Ok(Argument { index, value, value_two: self.value_two, op })
            }
            _ => Err("an argument needs index, value and op"),
        }
    }
}

impl Fields for WireArgument {
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "index" => self.index = Some(map.next_value()?),
            "value" => self.value = Some(map.next_value()?),
            "valueTwo" => self.value_two = map.next_value::<Option<u64>>()?.unwrap_or_default(),
            "op" => self.op = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

struct Op(CmpOp);

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Op, D::Error> {
        let op = match String::deserialize(deserializer)?.as_str() {
            "SCMP_CMP_EQ" => CmpOp::Eq,
            "SCMP_CMP_NE" => CmpOp::Ne,
            "SCMP_CMP_LT" => CmpOp::Lt,
            "SCMP_CMP_LE" => CmpOp::Le,
            "SCMP_CMP_GE" => CmpOp::Ge,
            "SCMP_CMP_GT" => CmpOp::Gt,
            "SCMP_CMP_MASKED_EQ" => CmpOp::MaskedEq,
            other => return Err(D::Error::custom(format!("unknown comparison {other:?}"))),
        };
        Ok(Op(op))
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        Kind::from_name(&name).ok_or_else(|| D::Error::custom(format!("unknown action {name:?}")))
    }
}

/// Podman's errors by name; a number as text is one too.
struct ErrnoName(Option<u64>);

impl<'de> Deserialize<'de> for ErrnoName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ErrnoName, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(ErrnoName(None));
        }
        let named = model::errno::number(&text).and_then(|number| u64::try_from(number).ok());
        match named.or_else(|| text.parse().ok()) {
            Some(number) => Ok(ErrnoName(Some(number))),
            None => Err(D::Error::custom(format!("unknown error {text:?}"))),
        }
    }
}
