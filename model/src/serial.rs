//! JSON forms shared by the documents: maps keyed by system call, and numbers in hexadecimal.

/// A map keyed by [`Sysno`](crate::Sysno), written as `{"x86_64": {"close": .., "openat": ..}}`,
/// each level sorted by name.
pub mod by_sysno {
    use crate::{Arch, Sysno};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::{borrow::Cow, collections::BTreeMap};

    /// For `#[serde(with)]`.
    pub fn serialize<V: Serialize, S: Serializer>(
        map: &BTreeMap<Sysno, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut nested: BTreeMap<Arch, BTreeMap<Cow<'static, str>, &V>> = BTreeMap::new();
        for (sysno, value) in map {
            nested.entry(sysno.arch()).or_default().insert(sysno.label(), value);
        }
        nested.serialize(serializer)
    }

    /// For `#[serde(with)]`: an unknown call name or one that the architecture lacks is an error.
    pub fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Sysno, V>, D::Error> {
        let nested = BTreeMap::<Arch, BTreeMap<String, V>>::deserialize(deserializer)?;
        let mut map = BTreeMap::new();
        for (arch, calls) in nested {
            for (name, value) in calls {
                map.insert(known(arch, &name)?, value);
            }
        }
        Ok(map)
    }

    /// The call of that name.
    pub(super) fn known<E: serde::de::Error>(arch: Arch, name: &str) -> Result<Sysno, E> {
        Sysno::from_name(arch, name)
            .ok_or_else(|| E::custom(format!("{arch} has no system call {name:?}")))
    }
}

/// A set of [`Sysno`](crate::Sysno), written as `{"x86_64": ["close", "read"]}`.
pub mod sysno_set {
    use super::by_sysno;
    use crate::{Arch, Sysno};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::{
        borrow::Cow,
        collections::{BTreeMap, BTreeSet},
    };

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(
        set: &BTreeSet<Sysno>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut nested: BTreeMap<Arch, BTreeSet<Cow<'static, str>>> = BTreeMap::new();
        for sysno in set {
            nested.entry(sysno.arch()).or_default().insert(sysno.label());
        }
        nested.serialize(serializer)
    }

    /// For `#[serde(with)]`: an unknown call name or one that the architecture lacks is an error.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<Sysno>, D::Error> {
        let nested = BTreeMap::<Arch, BTreeSet<String>>::deserialize(deserializer)?;
        let mut set = BTreeSet::new();
        for (arch, names) in nested {
            for name in names {
                set.insert(by_sysno::known(arch, &name)?);
            }
        }
        Ok(set)
    }
}

/// One [`Sysno`](crate::Sysno), written as `"x86_64 openat"`.
pub mod one_sysno {
    use super::by_sysno;
    use crate::{Arch, Sysno};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(sysno: &Sysno, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{sysno:#}"))
    }

    /// For `#[serde(with)]`: an unknown call name or one that the architecture lacks is an error.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sysno, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let known = text.split_once(' ').and_then(|(arch, name)| {
            Some((Arch::ALL.iter().copied().find(|known| known.to_string() == arch)?, name))
        });
        let (arch, name) = known.ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not a call like \"x86_64 read\""))
        })?;
        by_sysno::known(arch, name)
    }
}

/// A map keyed by path, written as `{"/etc/": {"passwd": ..}}`: the directory once, and a line for
/// each file.
pub mod by_directory {
    use crate::Text;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    /// For `#[serde(with)]`.
    pub fn serialize<V: Serialize, S: Serializer>(
        map: &BTreeMap<Text, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut nested: BTreeMap<Text, BTreeMap<Text, &V>> = BTreeMap::new();
        for (path, value) in map {
            let bytes = path.as_bytes();
            let end = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            let (directory, name) = bytes.split_at(end);
            nested.entry(Text::from(directory)).or_default().insert(Text::from(name), value);
        }
        nested.serialize(serializer)
    }

    /// For `#[serde(with)]`: directory and name joined are the path.
    pub fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Text, V>, D::Error> {
        let nested = BTreeMap::<Text, BTreeMap<Text, V>>::deserialize(deserializer)?;
        let join = |directory: &Text, name: &Text| {
            Text::from([directory.as_bytes(), name.as_bytes()].concat())
        };
        let mut map = BTreeMap::new();
        for (directory, names) in nested {
            for (name, value) in names {
                map.insert(join(&directory, &name), value);
            }
        }
        Ok(map)
    }
}

/// For `#[serde(skip_serializing_if)]`: a count that says nothing.
pub fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// For `#[serde(skip_serializing_if)]`: a count that goes without saying.
pub fn is_one(number: &u64) -> bool {
    *number == 1
}

/// For `#[serde(skip_serializing_if)]`: what is not so.
pub fn is_false(flag: &bool) -> bool {
    !flag
}

/// An unsigned number written as `"0x1f"`: offsets and masks, exact in every JSON reader.
pub mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
    use std::borrow::Cow;

    /// For `#[serde(with)]`.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:#x}"))
    }

    /// For `#[serde(with)]`: only the hexadecimal form is taken.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a number like \"0x1f\"")))
    }
}
