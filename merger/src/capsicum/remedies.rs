//! What makes a global name work in capability mode: rows of `data/capsicum-remedies.tsv`.

use super::frames::function;
use model::{Text, confinement::Step, descriptor::Name, trace::Address};
use std::{collections::BTreeSet, sync::LazyLock};

/// A way to do without a global name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) id: &'static str,
    /// How much work it is.
    pub(crate) cost: u32,
    /// What to do.
    pub(crate) what: &'static str,
}

struct When {
    way: usize,
    matches: &'static str,
    values: Vec<&'static str>,
}

#[derive(Default)]
struct Table {
    ways: Vec<Way>,
    whens: Vec<When>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    let text = include_str!("../../data/capsicum-remedies.tsv");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // A test reads every row.
        let _ = table.add(line);
    }
    table
});

impl Table {
    fn add(&mut self, line: &'static str) -> Option<()> {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["remedy", id, cost, what] => {
                self.ways.push(Way { id, cost: cost.parse().ok()?, what });
            }
            ["when", id, matches, values] => {
                let way = self.ways.iter().position(|way| way.id == id)?;
                self.whens.push(When { way, matches, values: values.split(' ').collect() });
            }
            _ => return None,
        }
        Some(())
    }
}

/// What helps with a step, given the words of the command lines.
pub(crate) fn remedy(step: &Step, words: &BTreeSet<Text>) -> Option<&'static Way> {
    let when = TABLE.whens.iter().find(|when| when.holds(step, words))?;
    TABLE.ways.get(when.way)
}

/// The remedy of that id.
pub(crate) fn way(id: &str) -> Option<&'static Way> {
    TABLE.ways.iter().find(|way| way.id == id)
}

impl When {
    fn holds(&self, step: &Step, words: &BTreeSet<Text>) -> bool {
        if self.matches == "through" {
            return step.chain.iter().any(|frame| self.values.contains(&function(frame)));
        }
        // Of several names each must match: the remedy is for all of them.
        !step.names.is_empty() && step.names.iter().all(|name| self.names(name, step, words))
    }

    fn names(&self, name: &Name, step: &Step, words: &BTreeSet<Text>) -> bool {
        match (self.matches, name) {
            ("path", Name::Path { path, .. }) => self.path(path),
            ("argument", Name::Path { path, .. }) => words.iter().any(|word| is_word(path, word)),
            ("open", Name::Path { .. }) => {
                let opens = matches!(&step.call[..], "open" | "openat" | "openat2" | "creat");
                opens && step.ok && !step.more && step.names.len() == 1 && step.times.1 <= 2
            }
            ("any-path", Name::Path { .. })
            | ("exec", Name::Exec { .. })
            | ("child", Name::Child)
            | ("pid", Name::Pid { .. })
            | ("ipc", Name::Ipc { .. })
            | ("kernel", Name::Kernel) => true,
            (matches, Name::Address { address, .. }) => match (matches, address) {
                ("port", Address::Inet { port, .. }) => self.values.contains(&&*port.to_string()),
                ("unix", Address::Unix { path, .. }) => self.path(path),
                ("unspec", Address::Other { family: 0 }) | ("inet", Address::Inet { .. }) => true,
                ("address", _) => true,
                _ => false,
            },
            _ => false,
        }
    }

    fn path(&self, path: &Text) -> bool {
        let path = path.to_string();
        self.values.iter().any(|value| match (value.strip_prefix('*'), value.strip_suffix('*')) {
            (Some(""), _) => true,
            (Some(end), _) => path.ends_with(end),
            (None, Some(start)) => path.starts_with(start),
            (None, None) => path == *value,
        })
    }
}

/// The word of a command line that a path was made of: given whole, or relative.
fn is_word(path: &Text, word: &Text) -> bool {
    let (path, word) = (path.as_bytes(), word.as_bytes());
    let relative = || {
        path.len() > word.len() && path.ends_with(word) && path[path.len() - word.len() - 1] == b'/'
    };
    !word.is_empty()
        && !word.starts_with(b"-")
        && (path == word || !word.starts_with(b"/") && relative())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(call: &str, name: Name, chain: &[&str]) -> Step {
        Step {
            call: call.to_owned(),
            chain: chain.iter().map(|frame| (*frame).to_owned()).collect(),
            names: BTreeSet::from([name]),
            more: false,
            ok: true,
            times: (1, 1),
        }
    }

    fn path(path: &str) -> Name {
        Name::Path { path: Text::from(path), accesses: BTreeSet::new(), flags: Some(0) }
    }

    #[test]
    fn every_row_reads() {
        let text = include_str!("../../data/capsicum-remedies.tsv");
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut table = Table::default();
            table.ways.extend(TABLE.ways.iter().map(|way| Way { ..*way }));
            assert_eq!(table.add(line), Some(()), "{line}");
        }
        let used: BTreeSet<usize> = TABLE.whens.iter().map(|when| when.way).collect();
        assert_eq!(used.len(), TABLE.ways.len(), "a remedy for nothing");
    }

    #[test]
    fn each_name_has_the_remedy_that_the_table_says() {
        let words = BTreeSet::from([Text::from("a.txt")]);
        let of = |step: &Step| remedy(step, &words).unwrap().id;
        let inet = |port| Name::Address {
            address: Address::Inet { host: "192.0.2.1".to_owned(), port },
            operation: model::trace::EndpointOperation::Connect,
        };
        let unix = |path: &str| Name::Address {
            address: Address::Unix { path: Text::from(path), resolved: None },
            operation: model::trace::EndpointOperation::Connect,
        };
        for (call, name, chain, wanted) in [
            ("openat", path("/etc/resolv.conf"), &[][..], "cap-dns"),
            ("connect", inet(53), &[], "cap-dns"),
            ("connect", inet(443), &[], "cap-net"),
            ("connect", unix("/dev/log"), &[], "cap-syslog"),
            ("connect", unix("/run/app.sock"), &[], "unix-directory"),
            ("openat", path("/etc/passwd"), &[], "cap-pwd"),
            ("openat", path("/etc/group"), &[], "cap-grp"),
            ("openat", path("/etc/localtime"), &[], "caph-cache-tzdata"),
            ("openat", path("/usr/share/locale/de/x.mo"), &[], "caph-cache-catpages"),
            ("openat", path("/proc/self/status"), &[], "cap-sysctl"),
            ("openat", path("/home/a/a.txt"), &[], "fileargs"),
            ("openat", path("/home/a/b.txt"), &[], "open-before"),
            ("unlink", path("/home/a/b.txt"), &[], "directory"),
            ("openat", path("/x"), &["libc.so.6:open+0x3", "libc.so.6:getaddrinfo+0x9"], "cap-dns"),
            ("wait4", Name::Child, &[], "pdfork"),
            ("execve", Name::Exec { path: Text::from("/bin/sh") }, &[], "fexecve"),
            ("mount", Name::Kernel, &[], "helper"),
        ] {
            assert_eq!(of(&step(call, name.clone(), chain)), wanted, "{call} {name:?}");
        }
    }
}
