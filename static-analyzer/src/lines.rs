//! The source line of a call site, where the file that ran carries DWARF line tables or its
//! distribution's debug files are installed.

use crate::functions::BUDGET;
use model::trace::Site;
use std::{collections::BTreeMap, fs};
use supervisor::elf_file::{ElfFile, open_regular};

/// A larger file is not searched: addr2line maps it whole.
const SIZE_MAX: u64 = 1 << 30;

/// Finds source lines, and keeps the files that it has opened.
#[derive(Default)]
pub struct SourceLines {
    loaders: BTreeMap<model::Text, Option<File>>,
}

struct File {
    loader: addr2line::Loader,
    /// File offset, size and address of what is loaded.
    segments: Vec<(u64, u64, u64)>,
}

impl std::fmt::Debug for SourceLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceLines").field("files", &self.loaders.len()).finish()
    }
}

impl SourceLines {
    /// `open.c:41` for a site in one of these versions (build ids) of its file. `None` when another
    /// file stands at the path now, or when it does not say.
    pub fn of<'v>(
        &mut self,
        site: &Site,
        mut versions: impl Iterator<Item = &'v String>,
    ) -> Option<String> {
        if site.module.as_bytes().first() != Some(&b'/') {
            return None;
        }
        let file = self.loaders.entry(site.module.clone()).or_insert_with(|| {
            let path = site.module.as_path();
            let file = open_regular(path).ok()?;
            let elf = ElfFile::new(&file, BUDGET).ok()?;
            let own = elf.build_id().ok()??;
            if !versions.any(|version| *version == own) || fs::metadata(path).ok()?.len() > SIZE_MAX
            {
                return None;
            }
            let segments = elf.segments().ok()?;
            Some(File {
                loader: addr2line::Loader::new(path).ok()?,
                segments: segments.iter().map(|s| (s.offset, s.size, s.address)).collect(),
            })
        });
        let File { loader, segments } = file.as_ref()?;
        let address = segments.iter().find_map(|(offset, size, address)| {
            let within = site.offset.checked_sub(*offset).filter(|within| within < size)?;
            address.checked_add(within)
        })?;
        let location = loader.find_location(address).ok()??;
        let name = location.file?;
        Some(match location.line {
            Some(line) => format!("{name}:{line}"),
            None => name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Text;
    use std::{path::Path, process::Command};

    /// The file offset of an address: gcc's small programs map their text where it is in the file.
    fn site(path: &Path, offset: u64) -> Site {
        Site { module: Text::from(path), offset, symbol: None }
    }

    #[test]
    fn a_line_is_found_in_the_file_that_ran_and_in_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("a.c");
        std::fs::write(&source, "int\nmain(void)\n{\n    return 3;\n}\n").unwrap();
        let path = directory.path().join("a");
        let gcc = Command::new("gcc")
            .args(["-g", "-O0", "-Wl,--build-id", "-o"])
            .args([&path, &source])
            .status();
        assert!(gcc.unwrap().success());
        let file = open_regular(&path).unwrap();
        let elf = ElfFile::new(&file, BUDGET).unwrap();
        let build_id = elf.build_id().unwrap().unwrap();
        let functions = crate::Functions::read(&path).unwrap();
        let offset = (0..0x4000).find(|at| functions.name(*at).as_deref() == Some("main+0x4"));
        let site = site(&path, offset.unwrap());
        let found = SourceLines::default().of(&site, [build_id].iter());
        assert!(found.as_deref().is_some_and(|line| line.ends_with("a.c:4")), "{found:?}");
        assert_eq!(SourceLines::default().of(&site, ["00ff".to_owned()].iter()), None);
        let nowhere = Site { module: Text::from("[vdso]"), ..site };
        assert_eq!(SourceLines::default().of(&nowhere, [].iter()), None);
    }
}
