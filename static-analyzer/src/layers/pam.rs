//! Authentication modules: the libraries that PAM opens by its configuration (pam.d(5)).

use super::{Interface, Opened};
use crate::{closure::Closure, files::Files};
use model::analysis::Layer;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Who holds the first of these names reads the configuration of services there; a file in an
/// earlier directory hides its namesake in a later one (libpam, pam_handlers.c).
const DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];
/// What is read where there is no such directory.
const OLD: &str = "/etc/pam.conf";
/// What applies where a service says nothing.
const DEFAULT: &str = "other";
/// The end of the name of the directory that modules are in, as libpam holds it.
const MODULES: &[u8] = b"/security/";
/// What modules are called by (pam_modules.h).
const ENTRIES: &str = "pam_sm_";
/// Services past these are not looked at.
const SERVICES_MAX: usize = 4096;

/// Opens the modules of the services whose names live code holds; of all, where it holds none, for
/// then the name is made elsewhere.
pub fn open(
    files: &Files,
    closure: &mut Closure<'_>,
    strings: &BTreeSet<Vec<u8>>,
    found: &mut BTreeSet<Opened>,
) {
    if !strings.contains(DIRECTORIES[0].as_bytes()) {
        return;
    }
    closure.consulted.extend(DIRECTORIES.into_iter().chain([OLD]).map(PathBuf::from));
    let directories: Vec<PathBuf> = strings
        .iter()
        .filter(|string| string.starts_with(b"/") && string.ends_with(MODULES))
        .map(|string| PathBuf::from(OsStr::from_bytes(string)))
        .collect();
    for (service, module) in wanted(files, closure, strings) {
        let module = module.replace("/$ISA", "");
        let mut paths: Vec<PathBuf> =
            directories.iter().map(|directory| directory.join(&module)).collect();
        paths.dedup();
        // A module that is not installed fails at run time, and nothing of it is executed.
        let Some(path) = paths.iter().find_map(|path| files.root.file(path)) else {
            closure.consulted.extend(paths);
            continue;
        };
        let reason = format!("pam.d: {service}: {module}");
        if closure.add(path.clone(), None, Layer::Dlopen, &reason).is_some() {
            let interface = Interface::Prefix(ENTRIES.to_owned());
            found.insert(Opened { layer: Layer::Dlopen, path, interface });
        }
    }
}

/// The services that count, each with the modules that it names.
fn wanted(
    files: &Files,
    closure: &mut Closure<'_>,
    strings: &BTreeSet<Vec<u8>>,
) -> BTreeSet<(String, String)> {
    let mut services = services(files);
    if services.iter().any(|service| service != DEFAULT && strings.contains(service.as_bytes())) {
        services.retain(|service| service == DEFAULT || strings.contains(service.as_bytes()));
    }
    let mut wanted = BTreeSet::new();
    if services.is_empty() {
        let text = files.root.text(OLD).unwrap_or_default();
        for line in text.lines() {
            // service type control module
            let line = line.trim_start();
            let Some((service, rest)) = line.split_once(char::is_whitespace) else { continue };
            if let Some(Line::Module(module)) = read(rest) {
                wanted.insert((service.to_owned(), module.to_owned()));
            }
        }
    }
    for service in services {
        let mut seen = BTreeSet::new();
        let mut left = vec![service.clone()];
        while let Some(name) = left.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let paths = places(&name);
            let text = paths.iter().find_map(|path| files.root.text(path));
            closure.consulted.extend(paths.into_iter().map(PathBuf::from));
            for line in text.unwrap_or_default().lines() {
                match read(line) {
                    Some(Line::Module(module)) => {
                        wanted.insert((service.clone(), module.to_owned()));
                    }
                    Some(Line::Includes(other)) => left.push(other.to_owned()),
                    None => {}
                }
            }
        }
    }
    wanted
}

/// The names of all services.
fn services(files: &Files) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for directory in DIRECTORIES {
        let Some(inside) = files.root.resolve(Path::new(directory)) else { continue };
        let Ok(entries) = fs::read_dir(files.root.outside(&inside)) else { continue };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        found.extend(names.take(SERVICES_MAX));
    }
    found
}

/// Where the configuration of a service is, the first that is there.
fn places(service: &str) -> Vec<String> {
    if service.starts_with('/') {
        return vec![service.to_owned()];
    }
    DIRECTORIES.iter().map(|directory| format!("{directory}/{service}")).collect()
}

/// What a line of the configuration asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Module(&'a str),
    Includes(&'a str),
}

fn read(line: &str) -> Option<Line<'_>> {
    let line = line.split('#').next()?.trim();
    if let Some(file) = line.strip_prefix("@include") {
        return file.split_whitespace().next().map(Line::Includes);
    }
    let (_type, rest) = line.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (control, rest) = match rest.strip_prefix('[') {
        // [success=1 default=ignore]
        Some(rest) => rest.split_once(']')?,
        None => rest.split_once(char::is_whitespace)?,
    };
    let module = rest.split_whitespace().next()?;
    Some(match control {
        "include" | "substack" => Line::Includes(module),
        _ => Line::Module(module),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_modules_and_other_files() {
        let module = |line| assert_eq!(read(line), Some(Line::Module("pam_unix.so")), "{line}");
        module("auth required pam_unix.so");
        module("-auth\tsufficient\tpam_unix.so nullok # always");
        module("auth [success=1 default=ignore] pam_unix.so nullok");
        let includes = |line| assert_eq!(read(line), Some(Line::Includes("common")), "{line}");
        includes("@include common");
        includes("auth include common");
        includes("session  substack  common");
        for line in ["", "# auth required pam_unix.so", "auth", "auth required", "auth [x pam.so"] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
