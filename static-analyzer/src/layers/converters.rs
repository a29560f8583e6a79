//! Converters of character sets: the libraries in the directory of gconv-modules(5).

use super::{Interface, Opened};
use crate::{closure::Closure, elf::Elf, files::Files, ranges::Ranges, sweep};
use model::analysis::Layer;
use std::{collections::BTreeSet, ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

/// Who holds a name that ends so loads converters from that directory.
const CACHE: &[u8] = b"/gconv/gconv-modules.cache";
/// Converters past these are not looked at.
const CONVERTERS_MAX: usize = 1024;
/// What a converter is called by (gconv.h).
const CONVERTER: [&[u8]; 3] = [b"gconv", b"gconv_init", b"gconv_end"];

/// The converters in a directory. There are hundreds, and hardly one has a system call: of those
/// that have none, only what they call elsewhere counts.
pub fn open(
    files: &Files,
    closure: &mut Closure<'_>,
    strings: &BTreeSet<Vec<u8>>,
    found: &mut BTreeSet<Opened>,
) {
    let cache = strings.iter().find(|string| string.ends_with(CACHE));
    let directory = cache.and_then(|cache| Path::new(OsStr::from_bytes(cache)).parent());
    let Some(directory) = directory else { return };
    closure.consulted.insert(directory.to_owned());
    let Some(inside) = files.root.resolve(directory) else { return };
    let Ok(entries) = fs::read_dir(files.root.outside(&inside)) else { return };
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    names.retain(|name| name.as_bytes().ends_with(b".so"));
    let siblings: BTreeSet<_> = names.iter().cloned().collect();
    for name in names.into_iter().take(CONVERTERS_MAX) {
        let Some(path) = files.root.file(&inside.join(&name)) else { continue };
        let Ok(elf) = files.read(&path) else { continue };
        let reason = "converter of character sets";
        if enters_kernel(&elf) {
            let number = closure.add(path.clone(), None, Layer::Gconv, reason);
            if number.is_some() {
                found.insert(Opened { layer: Layer::Gconv, path, interface: Interface::All });
            }
        } else if CONVERTER.iter().any(|name| !elf.defined(name).is_empty()) {
            // They find one another beside themselves.
            let beside = |needed: &Vec<u8>| siblings.contains(OsStr::from_bytes(needed));
            for needed in elf.dynamic.needed.iter().filter(|needed| !beside(needed)) {
                let reason = format!("needed by {}", name.to_string_lossy());
                closure.open(needed, Layer::Gconv, &reason);
            }
            found.insert(Opened { layer: Layer::Gconv, path, interface: Interface::Imports });
        }
    }
}

/// Whether an instruction that enters the kernel is anywhere in the functions of a file.
fn enters_kernel(elf: &Elf) -> bool {
    const BYTES: [[u8; 2]; 3] = [[0x0f, 0x05], [0xcd, 0x80], [0x0f, 0x34]];
    let bytes = |code: &std::ops::Range<u64>| {
        let size = usize::try_from(code.end - code.start).unwrap_or(usize::MAX);
        let bytes = elf.from(code.start).unwrap_or_default();
        &bytes[..size.min(bytes.len())]
    };
    let maybe = elf
        .code
        .iter()
        .any(|code| bytes(code).windows(2).any(|pair| BYTES.iter().any(|enters| pair == enters)));
    // The bytes may be a part of another instruction.
    maybe && sweep::enters_kernel(elf, &Ranges::of(elf))
}
