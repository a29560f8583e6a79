//! Reading and writing documents: bounded, whole or not at all.

use anyhow::{Context, anyhow, bail};
use merger::Input;
use model::{
    Document, Policy,
    document::{from_json, kind_and_version, schema_of, to_json, write_json},
};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat, renameat},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
    unistd::{UnlinkatFlags, fsync, unlinkat},
};
use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};
use supervisor::command::describe;

/// The largest document that is read, in bytes.
const DOCUMENT_MAX: u64 = 256 << 20;
/// How much of one is written at a time, in bytes.
const PIECE: usize = 256 << 10;

/// An error in the words that the rest of profgen uses: lower case, without numbers.
pub trait Plain<T> {
    /// The same result with a plainer error.
    ///
    /// # Errors
    /// The same.
    fn plain(self) -> anyhow::Result<T>;
}

impl<T> Plain<T> for nix::Result<T> {
    fn plain(self) -> anyhow::Result<T> {
        self.map_err(|errno| anyhow!(describe(errno)))
    }
}

impl<T> Plain<T> for io::Result<T> {
    fn plain(self) -> anyhow::Result<T> {
        self.map_err(|error| match error.raw_os_error() {
            Some(number) => anyhow!(describe(Errno::from_raw(number))),
            None => error.into(),
        })
    }
}

/// Whether the path stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file's bytes.
///
/// # Errors
/// With the operation, the path and the reason.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let what = || format!("cannot read {}", path.display());
    if is_standard(path) {
        return bounded(io::stdin()).context("cannot read standard input");
    }
    bounded(File::open(path).plain().with_context(what)?).with_context(what)
}

/// At most [`DOCUMENT_MAX`] bytes.
pub fn bounded(source: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(DOCUMENT_MAX + 1).read_to_end(&mut bytes).plain()?;
    if bytes.len() as u64 > DOCUMENT_MAX {
        bail!("it is larger than {} MiB", DOCUMENT_MAX >> 20);
    }
    Ok(bytes)
}

/// A policy from a file, or from the bundle when it is a directory.
///
/// # Errors
/// With the path and the reason.
pub fn policy(path: &Path) -> anyhow::Result<Policy> {
    let file = crate::bundle::policy_file(path);
    from_json(&read(&file)?).with_context(|| format!("cannot use {} as a policy", file.display()))
}

/// A trace, an analysis or a policy, whichever it says it is.
///
/// # Errors
/// With the reason; the caller knows the name.
pub fn evidence(bytes: &[u8]) -> anyhow::Result<Input> {
    let schema = schema_of(bytes).context("it is no profgen document")?;
    match kind_and_version(&schema) {
        Some(("trace", _)) => Ok(Input::Trace(from_json(bytes)?)),
        Some(("analysis", _)) => Ok(Input::Analysis(from_json(bytes)?)),
        Some(("policy", _)) => Ok(Input::Policy(from_json(bytes)?)),
        _ => bail!("it is {schema}, neither a trace nor an analysis nor a policy"),
    }
}

/// Writes a document to a path.
///
/// # Errors
/// With the operation, the path and the reason.
pub fn write_document(path: &Path, document: &impl Document) -> anyhow::Result<()> {
    write(path, &to_json(document)?)
}

/// Writes bytes to a path or to standard output: the file is there whole, or as it was before.
///
/// # Errors
/// With the operation, the path and the reason.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_standard(path) {
        let mut out = io::stdout().lock();
        return match out.write_all(bytes).and_then(|()| out.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.plain().context("cannot write standard output"),
        };
    }
    let what = || format!("cannot write {}", path.display());
    let name = path.file_name().context("it has no file name").with_context(what)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = open_directory(parent.unwrap_or(Path::new("."))).with_context(what)?;
    if is_to_be_kept(&directory, Path::new(name)) {
        let mut file = File::create(path).plain().with_context(what)?;
        return file.write_all(bytes).plain().with_context(what);
    }
    write_in(&directory, Path::new(name), bytes).with_context(what)
}

/// A device, a pipe or a symbolic link that the user names is written to, not replaced.
fn is_to_be_kept(directory: &OwnedFd, name: &Path) -> bool {
    let kind = |stat: FileStat| SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| !matches!(kind(stat), SFlag::S_IFREG | SFlag::S_IFDIR))
}

/// A directory, for working in it whatever its path becomes.
///
/// # Errors
/// When it is none, or not to be opened.
pub fn open_directory(path: &Path) -> anyhow::Result<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty()).plain()
}

/// Writes `name` in `directory` by way of a new file that takes its place: a symbolic link of that
/// name is replaced, never followed, and nothing half-written is left.
///
/// # Errors
/// With the kernel's reason.
pub fn write_in(directory: impl AsFd, name: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    make_in(directory, name, |file| file.write_all(bytes))
}

/// The same for a document, which is never in memory as a whole: it may have a hundred thousand files.
///
/// # Errors
/// With the kernel's reason.
pub fn write_document_in(
    directory: impl AsFd,
    name: &Path,
    document: &impl Document,
) -> anyhow::Result<()> {
    make_in(directory, name, |file| {
        let mut out = BufWriter::with_capacity(PIECE, file);
        write_json(document, &mut out)?;
        out.flush()
    })
}

fn make_in(
    directory: impl AsFd,
    name: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> anyhow::Result<()> {
    let directory = directory.as_fd();
    let temporary = format!(".{}.{}.tmp", name.display(), std::process::id());
    let temporary = Path::new(&temporary);
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o644);
    let written = (|| -> anyhow::Result<()> {
        // Left by a profgen of the same pid that was killed.
        let _ = unlinkat(directory, temporary, UnlinkatFlags::NoRemoveDir);
        let mut file = File::from(openat(directory, temporary, flags, mode).plain()?);
        write(&mut file).plain()?;
        fsync(&file).plain()?;
        drop(file);
        renameat(directory, temporary, directory, name).plain()
    })();
    if written.is_err() {
        let _ = unlinkat(directory, temporary, UnlinkatFlags::NoRemoveDir);
    }
    written
}

/// The bytes of a regular file in a directory; a symbolic link is not followed.
///
/// # Errors
/// With the kernel's reason.
pub fn read_in(directory: impl AsFd, name: &Path) -> anyhow::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(directory, name, flags, Mode::empty()).plain()?;
    if SFlag::from_bits_truncate(fstat(&file).plain()?.st_mode & SFlag::S_IFMT.bits())
        != SFlag::S_IFREG
    {
        bail!("it is no regular file");
    }
    bounded(File::from(file))
}
