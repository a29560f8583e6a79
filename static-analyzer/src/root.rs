//! The directory that stands for `/`: paths are resolved inside it, symbolic links too.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

/// As many as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// A root directory.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Root {
    /// `None` is the real one.
    pub fn new(directory: Option<&Path>) -> Root {
        Root(directory.unwrap_or(Path::new("/")).to_owned())
    }

    /// Where a path inside the root is outside of it, its symbolic links not resolved.
    pub fn outside(&self, inside: &Path) -> PathBuf {
        let mut path = self.0.clone();
        path.extend(inside.components().filter(|part| matches!(part, Component::Normal(_))));
        path
    }

    /// A path with its symbolic links resolved, as the kernel would name it inside; `None` when
    /// there is nothing.
    pub fn resolve(&self, inside: &Path) -> Option<PathBuf> {
        let mut left: VecDeque<OsString> = parts(inside);
        let mut done = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            if part == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&part);
            let outside = self.outside(&next);
            if fs::symlink_metadata(&outside).ok()?.is_symlink() {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                let target = fs::read_link(&outside).ok()?;
                if target.is_absolute() {
                    done = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
            } else {
                done = next;
            }
        }
        Some(done)
    }

    /// The regular file that a path inside the root leads to.
    pub fn file(&self, inside: &Path) -> Option<PathBuf> {
        let path = self.resolve(inside)?;
        fs::metadata(self.outside(&path)).ok()?.is_file().then_some(path)
    }

    /// Where outside of the root a path leads to; when it leads nowhere, the first part of the way
    /// that is not there.
    pub fn place(&self, inside: &Path) -> PathBuf {
        let mut missing = inside;
        for ancestor in inside.ancestors() {
            if let Some(resolved) = self.resolve(ancestor) {
                let next = missing.strip_prefix(ancestor).ok().and_then(|rest| rest.iter().next());
                let place = self.outside(&resolved);
                return next.map_or(place.clone(), |next| place.join(next));
            }
            missing = ancestor;
        }
        self.outside(inside)
    }

    /// Whether it is the machine's own.
    pub fn is_real(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Reads a small text file inside the root; an unreadable one is missing.
    pub fn text(&self, inside: &str) -> Option<String> {
        const TEXT_MAX: u64 = 1 << 20;
        let path = self.outside(&self.file(Path::new(inside))?);
        if fs::metadata(&path).ok()?.len() > TEXT_MAX {
            return None;
        }
        Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside_and_loops_end() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("usr/lib")).unwrap();
        fs::write(at("usr/lib/a.so"), b"x").unwrap();
        symlink("/usr/lib", at("lib")).unwrap();
        symlink("../../../../usr/lib/a.so", at("usr/lib/b.so")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let root = Root::new(Some(directory.path()));
        let file = |path: &str| root.file(Path::new(path));
        assert_eq!(file("/lib/a.so"), Some("/usr/lib/a.so".into()));
        assert_eq!(file("/lib/b.so"), Some("/usr/lib/a.so".into()));
        assert_eq!(file("/loop"), None);
        assert_eq!(file("/lib"), None);
        assert_eq!(file("/etc/passwd"), None);
        let place = |path: &str| root.place(Path::new(path));
        assert_eq!(place("/lib/b.so"), at("usr/lib/a.so"));
        assert_eq!(place("/lib/c.so"), at("usr/lib/c.so"));
        assert_eq!(place("/lib/x86/c.so"), at("usr/lib/x86"));
        assert_eq!(place("/opt/lib/c.so"), at("opt"));
    }
}
