//! Code that comes into a process beside what the loader maps for it: which files, for which reason,
//! and what of them is called. What is wanted shows in the strings that live code holds.

mod converters;
mod pam;
pub mod plugins;
mod services;

use crate::{
    closure::Closure,
    elf::{Elf, SymbolKind},
    files::Files,
    link::{Place, Program},
    phases::{finalise, initialise},
    reach::Reach,
};
use model::analysis::Layer;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// Longer strings are no names.
const STRING_MAX: usize = 4096;

/// What is called of a file that was opened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// Every function that it exports.
    All,
    /// The functions whose names begin so.
    Prefix(String),
    /// What it needs from others, as it has no system call of its own.
    Imports,
}

/// A file that is opened at run time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opened {
    /// In which layer.
    pub layer: Layer,
    /// Inside the root.
    pub path: PathBuf,
    /// What is called of it.
    pub interface: Interface,
}

/// The strings that live code and live data hold.
pub fn strings(program: &Program, reach: &Reach<'_>) -> BTreeSet<Vec<u8>> {
    strings_but(program, reach, None)
}

/// Those that are not held by one of the modules. The interpreter opens what others name: the names of
/// libraries that it holds are there to recognise them.
pub fn strings_but(
    program: &Program,
    reach: &Reach<'_>,
    module: Option<usize>,
) -> BTreeSet<Vec<u8>> {
    let objects = reach.objects().filter(|place| Some(place.module) != module);
    objects.filter_map(|place| string(program.elf(place.module), place.address)).collect()
}

/// The text at an address, when there is one.
pub fn string(elf: &Elf, address: u64) -> Option<Vec<u8>> {
    let bytes = elf.from(address)?;
    let end = bytes.iter().take(STRING_MAX).position(|&byte| byte == 0)?;
    let text = &bytes[..end];
    let printable = |byte: &u8| (b' '..0x7f).contains(byte);
    (text.len() > 1 && text.iter().all(printable)).then(|| text.to_vec())
}

/// Adds to the closure what live code opens. Answers what was added or was there already.
pub fn open(
    files: &Files,
    closure: &mut Closure<'_>,
    strings: &BTreeSet<Vec<u8>>,
    layers: &BTreeSet<Layer>,
) -> BTreeSet<Opened> {
    let mut found = BTreeSet::new();
    if layers.contains(&Layer::Nss) {
        services::open(files, closure, strings, &mut found);
    }
    if layers.contains(&Layer::Gconv) {
        converters::open(files, closure, strings, &mut found);
    }
    if layers.contains(&Layer::Dlopen) {
        libraries(closure, strings, &mut found);
        pam::open(files, closure, strings, &mut found);
    }
    closure.finish();
    found
}

/// The libraries whose names live code holds: `libgcc_s.so.1`, `/usr/lib/x/plugin.so`.
fn libraries(closure: &mut Closure<'_>, strings: &BTreeSet<Vec<u8>>, found: &mut BTreeSet<Opened>) {
    for name in strings {
        let plain =
            name.iter().all(|byte| byte.is_ascii_graphic() && !b"%*?[]'\"\\".contains(byte));
        let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let text = String::from_utf8_lossy(last);
        let library = text.ends_with(".so") || text.contains(".so.");
        let absolute = !name.contains(&b'/') || name.starts_with(b"/");
        if !plain || !library || !absolute || last.starts_with(b".") || closure.has(name) {
            continue;
        }
        // A name that leads nowhere is of a library that is not installed: opening it fails.
        if let Some(number) = closure.open_quietly(name, Layer::Dlopen, "named in the code") {
            let path = closure.modules[number].path.clone();
            found.insert(Opened { layer: Layer::Dlopen, path, interface: Interface::All });
        }
    }
}

/// Makes live what is called of the files that were opened, in one layer.
pub fn root(
    files: &Files,
    program: &Program,
    reach: &mut Reach<'_>,
    opened: &BTreeSet<Opened>,
    layer: Layer,
) {
    reach.enter(layer);
    for (module, linked) in program.modules.iter().enumerate() {
        if linked.module.layer == layer {
            initialise(program, reach, module);
            finalise(program, reach, module);
        }
    }
    for opened in opened.iter().filter(|opened| opened.layer == layer) {
        let number = program.modules.iter().position(|linked| linked.module.path == opened.path);
        match (&opened.interface, number) {
            (Interface::Imports, _) => {
                let Ok(elf) = files.read(&opened.path) else { continue };
                let undefined = elf.symbols.iter().filter(|symbol| !symbol.defined);
                for place in
                    undefined.filter_map(|symbol| program.anywhere(elf.bytes_of(&symbol.name)))
                {
                    reach.root(place);
                }
            }
            (Interface::All, Some(module)) => export(program, reach, module, ""),
            (Interface::Prefix(prefix), Some(module)) => export(program, reach, module, prefix),
            (_, None) => {}
        }
    }
    reach.run();
}

fn export(program: &Program, reach: &mut Reach<'_>, module: usize, prefix: &str) {
    let elf = program.elf(module);
    for symbol in elf.symbols.iter().filter(|symbol| symbol.defined && !symbol.local) {
        if !elf.bytes_of(&symbol.name).starts_with(prefix.as_bytes()) {
            continue;
        }
        let place = Place { module, address: symbol.address };
        match symbol.kind {
            SymbolKind::Function | SymbolKind::Indirect | SymbolKind::Other
                if program.is_code(place) =>
            {
                reach.root(place);
            }
            SymbolKind::Object => {
                reach.root_data(module, symbol.address..symbol.address.saturating_add(symbol.size));
            }
            _ => {}
        }
    }
}

/// The programs that the strings name: absolute paths of files that can be executed.
pub fn programs(files: &Files, strings: &BTreeSet<Vec<u8>>) -> BTreeSet<PathBuf> {
    paths(strings)
        .filter(|path| {
            let found = files.root.file(path).map(|path| files.root.outside(&path));
            found.is_some_and(|path| is_program(&path))
        })
        .filter(|path| !path.as_os_str().as_bytes().windows(3).any(|part| part == b".so"))
        // What is there depends on who looks: /proc/self/exe is profgen.
        .filter(|path| !path.starts_with("/proc"))
        .map(Path::to_path_buf)
        .collect()
}

/// Whether a file may be executed and is of a kind that can be.
fn is_program(path: &Path) -> bool {
    let mut start = [0; 4];
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && (start == *b"\x7fELF" || start.starts_with(b"#!"))
}

/// The absolute paths among strings.
pub fn paths(strings: &BTreeSet<Vec<u8>>) -> impl Iterator<Item = &Path> {
    strings
        .iter()
        .filter(|string| {
            string.starts_with(b"/")
                && !string.starts_with(b"//")
                && string.iter().all(|byte| byte.is_ascii_graphic() && !b"%*?<>|&;".contains(byte))
        })
        .map(|string| Path::new(OsStr::from_bytes(string)))
}
