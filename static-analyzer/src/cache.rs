//! Results of earlier runs. An entry says which files it depends on, and is used only while each of
//! them has the contents that it had; so a cache may be shared, copied and damaged without harm.

use crate::elf::contents;
use model::analysis::AnalysedProgram;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};
use supervisor::elf_file::open_regular;

/// A larger entry is not read.
const ENTRY_MAX: u64 = 64 << 20;
/// Names in a directory past these do not count.
const NAMES_MAX: usize = 1 << 16;

/// Where results are kept.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

/// What is kept of one program.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Names the question: [`question`].
    question: String,
    /// The files that the answer depends on, as paths outside of the root, and their hashes; of a
    /// directory the names in it count, and an empty hash is of what is not there.
    inputs: BTreeMap<String, String>,
    answer: AnalysedProgram,
}

/// A name for everything that is asked, apart from the files' contents.
pub fn question(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(env!("PROFGEN_ANALYZER"));
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

/// The hash of a file, or of the names in a directory; empty when there is none to be read.
fn hash(path: &Path) -> String {
    if let Ok(data) = contents(path) {
        return hex(&Sha256::digest(data));
    }
    let Ok(entries) = fs::read_dir(path) else { return String::new() };
    let names: BTreeSet<_> =
        entries.take(NAMES_MAX).filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    let mut hasher = Sha256::new();
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update([0]);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Cache {
    /// A directory, which need not be there yet.
    pub fn new(directory: &Path) -> Cache {
        Cache(directory.join("analysis"))
    }

    fn path(&self, question: &str) -> PathBuf {
        self.0.join(format!("{question}.json"))
    }

    /// The answer to a question, when it still holds.
    pub fn get(&self, question: &str) -> Option<AnalysedProgram> {
        let file = open_regular(&self.path(question)).ok()?;
        let mut bytes = Vec::new();
        file.take(ENTRY_MAX).read_to_end(&mut bytes).ok()?;
        let entry: Entry = serde_json::from_slice(&bytes).ok()?;
        let holds = entry.question == question
            && !entry.inputs.is_empty()
            && entry.inputs.iter().all(|(path, known)| hash(Path::new(path)) == *known);
        holds.then_some(entry.answer)
    }

    /// Keeps an answer. What cannot be kept is found out again next time.
    pub fn put(&self, question: &str, inputs: &[PathBuf], answer: &AnalysedProgram) {
        let mut hashes = BTreeMap::new();
        for path in inputs {
            // A path that is no text would not come back as it was.
            let Some(text) = path.to_str() else { return };
            hashes.insert(text.to_owned(), hash(path));
        }
        let question = question.to_owned();
        let path = self.path(&question);
        let entry = Entry { question, inputs: hashes, answer: answer.clone() };
        if let Ok(bytes) = serde_json::to_vec(&entry) {
            let _ = self.write(&path, &bytes);
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Text;

    fn answer() -> AnalysedProgram {
        AnalysedProgram {
            path: Text::from("/bin/a"),
            script: None,
            modules: Vec::new(),
            calls: BTreeMap::new(),
            executes: BTreeSet::new(),
            opens: BTreeSet::new(),
            gaps: Vec::new(),
            assumptions: BTreeSet::new(),
        }
    }

    #[test]
    fn an_answer_holds_while_its_files_are_what_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let (there, missing) = (directory.path().join("there"), directory.path().join("missing"));
        fs::write(&there, "a").unwrap();
        let question = question(&[b"what"]);
        cache.put(&question, &[there.clone(), missing.clone()], &answer());
        assert_eq!(cache.get(&question), Some(answer()));
        fs::write(&missing, "new").unwrap();
        assert_eq!(cache.get(&question), None);
        fs::remove_file(&missing).unwrap();
        assert_eq!(cache.get(&question), Some(answer()));
        fs::write(&there, "b").unwrap();
        assert_eq!(cache.get(&question), None);
    }

    #[test]
    fn an_answer_holds_while_a_directory_has_the_same_names() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(&directory.path().join("cache"));
        let listed = directory.path().join("listed");
        fs::create_dir(&listed).unwrap();
        let question = question(&[b"what"]);
        cache.put(&question, std::slice::from_ref(&listed), &answer());
        assert_eq!(cache.get(&question), Some(answer()));
        fs::write(listed.join("new"), "").unwrap();
        assert_eq!(cache.get(&question), None);
    }

    #[test]
    fn a_damaged_entry_is_no_entry() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path());
        let file = directory.path().join("file");
        fs::write(&file, "a").unwrap();
        let question = question(&[b"what"]);
        cache.put(&question, &[file], &answer());
        let path = cache.path(&question);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(cache.get(&question), None, "{length}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(cache.get(&question), Some(answer()));
        // An entry under another question's name does not answer it.
        let other = super::question(&[b"other"]);
        fs::copy(&path, cache.path(&other)).unwrap();
        assert_eq!(cache.get(&other), None);
    }
}
