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
    use crate::{Text, text::escaped};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    /// For `#[serde(with)]`.
    pub fn serialize<V: Serialize, S: Serializer>(
        map: &BTreeMap<Text, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // The paths are in order, so the names of each directory are.
        let mut nested: BTreeMap<&[u8], Names<'_, V>> = BTreeMap::new();
        let (mut directory, mut names) = (&b""[..], Vec::new());
        for (path, value) in map {
            let bytes = path.as_bytes();
            let end = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
            let (of, name) = bytes.split_at(end);
            // Mostly the next is of the same directory, which is then not looked up.
            if of != directory {
                nested.entry(directory).or_default().0.append(&mut names);
                directory = of;
            }
            names.push((name, value));
        }
        nested.entry(directory).or_default().0.append(&mut names);
        nested.retain(|_, names| !names.0.is_empty());
        serializer.collect_map(nested.iter().map(|(directory, names)| (escaped(directory), names)))
    }

    /// What is in a directory, by name.
    struct Names<'a, V>(Vec<(&'a [u8], &'a V)>);

    impl<V> Default for Names<'_, V> {
        fn default() -> Self {
            Names(Vec::new())
        }
    }

    impl<V: Serialize> Serialize for Names<'_, V> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (escaped(name), *value)))
        }
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

/// A list by [`Access`](crate::Access), written as a map: `{"read": ..}`.
pub mod by_access {
    use crate::Access;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    /// For `#[serde(with)]`.
    pub fn serialize<V: Serialize, S: Serializer>(
        list: &[(Access, V)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(list.iter().map(|(access, value)| (access, value)))
    }

    /// For `#[serde(with)]`: the list is in the order of the accesses, and has each once.
    pub fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(Access, V)>, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use std::collections::BTreeMap;

    #[test]
    fn a_directory_stands_once_though_what_lies_below_it_comes_between_its_names() {
        let mut json = Vec::new();
        let paths = ["/a/b/c", "/a/b", "/a/d", "/a/b.c/x", "/", "/\\", "x"];
        let files: BTreeMap<Text, u32> = paths.map(|path| (Text::from(path), 1)).into();
        by_directory::serialize(&files, &mut serde_json::Serializer::new(&mut json)).unwrap();
        let directories = [
            r#""":{"x":1}"#,
            r#""/":{"":1,"\\\\":1}"#,
            r#""/a/":{"b":1,"d":1}"#,
            r#""/a/b.c/":{"x":1}"#,
            r#""/a/b/":{"c":1}"#,
        ];
        assert_eq!(String::from_utf8(json).unwrap(), format!("{{{}}}", directories.join(",")));
        let none = BTreeMap::<Text, u32>::new();
        let mut json = Vec::new();
        by_directory::serialize(&none, &mut serde_json::Serializer::new(&mut json)).unwrap();
        assert_eq!(json, b"{}");
    }
}
