//! Which files the dynamic loader maps for a program, and in which order: ld.so(8), dl-load.c.

use crate::{
    elf::{Elf, ElfError},
    files::Files,
    ldcache::Cache,
    root::Root,
};
use model::analysis::Layer;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A program that needs more libraries is not believed.
const MODULES_MAX: usize = 4096;
/// The directories that the loader knows without being told; Debian's come first there.
const DEFAULT_DIRECTORIES: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];
/// What musl's loader knows, unless its path file says otherwise.
const MUSL_DIRECTORIES: &str = "/lib:/usr/local/lib:/usr/lib";
/// The libraries that musl's loader is itself (ldso/dynlink.c, load_library).
const MUSL_RESERVED: &[&[u8]] =
    &[b"libc.", b"libpthread.", b"librt.", b"libm.", b"libdl.", b"libutil.", b"libxnet."];

/// A file of a program.
#[derive(Debug, Clone)]
pub struct Module {
    /// Inside the root, symbolic links resolved.
    pub path: PathBuf,
    /// Its contents.
    pub elf: Arc<Elf>,
    /// By which way it came.
    pub layer: Layer,
    /// Why.
    pub reason: String,
    /// The module that needs it, whose RPATH counts for it too.
    loader: Option<usize>,
}

/// A library that could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// As it was asked for.
    pub name: String,
    /// By whom, and what is wrong.
    pub what: String,
}

/// The files of one program, in the order in which the loader maps them.
#[derive(Debug)]
pub struct Closure<'a> {
    files: &'a Files,
    search: &'a Search,
    /// The files.
    pub modules: Vec<Module>,
    /// The number of the program interpreter.
    pub interpreter: Option<usize>,
    /// What was not found.
    pub missing: Vec<Missing>,
    /// Paths inside the root beside those of the modules that decided what was taken: where nothing
    /// was found, or nothing that fits, and configuration.
    pub consulted: BTreeSet<PathBuf>,
    musl: bool,
    next: usize,
}

/// Where libraries are searched, the same for all programs.
#[derive(Debug)]
pub struct Search {
    root: Root,
    /// As LD_LIBRARY_PATH.
    library_path: Vec<PathBuf>,
    cache: Cache,
    musl: Vec<PathBuf>,
    /// Subdirectories that are tried first in each directory.
    subdirectories: Vec<&'static str>,
}

impl Search {
    /// Reads the configuration in the root.
    pub fn new(root: &Root, library_path: &[PathBuf]) -> Search {
        let cache = root.file(Path::new("/etc/ld.so.cache")).and_then(|path| {
            let path = root.outside(&path);
            (std::fs::metadata(&path).ok()?.len() < 64 << 20).then(|| std::fs::read(path).ok())?
        });
        let musl = root.text("/etc/ld-musl-x86_64.path");
        let musl = musl.as_deref().unwrap_or(MUSL_DIRECTORIES);
        Search {
            root: root.clone(),
            library_path: library_path.to_vec(),
            cache: Cache::parse(&cache.unwrap_or_default()),
            musl: musl.split([':', '\n']).filter(|path| !path.is_empty()).map(Into::into).collect(),
            subdirectories: if root.is_real() { hardware() } else { Vec::new() },
        }
    }
}

/// glibc-hwcaps of this processor, the best first (glibc, sysdeps/x86_64/dl-hwcaps_subdirs.c).
fn hardware() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let v2 = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt");
        let v3 = v2 && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        let v4 = v3 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        found.extend(v4.then_some("glibc-hwcaps/x86-64-v4"));
        found.extend(v3.then_some("glibc-hwcaps/x86-64-v3"));
        found.extend(v2.then_some("glibc-hwcaps/x86-64-v2"));
    }
    found
}

impl<'a> Closure<'a> {
    /// Begins with the program, its interpreter and what is loaded first.
    ///
    /// # Errors
    /// When the program itself cannot be read.
    pub fn new(
        files: &'a Files,
        search: &'a Search,
        path: PathBuf,
        preload: &[PathBuf],
    ) -> Result<Closure<'a>, ElfError> {
        let elf = files.read(&path)?;
        let interpreter = elf.interpreter.clone();
        let program = Module {
            path,
            elf,
            layer: Layer::Core,
            reason: "the program".to_owned(),
            loader: None,
        };
        let mut closure = Closure {
            files,
            search,
            modules: vec![program],
            interpreter: None,
            missing: Vec::new(),
            consulted: BTreeSet::new(),
            musl: false,
            next: 0,
        };
        if let Some(interpreter) = interpreter {
            closure.take_interpreter(Path::new(OsStr::from_bytes(&interpreter)));
            for path in preload {
                closure.load(path.as_os_str().as_bytes(), 0, Layer::Core, "preloaded");
            }
        }
        closure.finish();
        Ok(closure)
    }

    fn take_interpreter(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().as_bytes();
        self.musl = name.starts_with(b"ld-musl-");
        match self.search.root.file(path) {
            Some(found) => {
                let number = self.add(found, Some(0), Layer::Core, "the interpreter");
                self.interpreter = number;
            }
            None => {
                self.miss(path.as_os_str().as_bytes(), "the program's interpreter is not there")
            }
        }
    }

    /// Loads everything that is needed and not there yet, breadth first.
    pub fn finish(&mut self) {
        while let Some(module) = self.modules.get(self.next) {
            let (layer, by) = (module.layer, self.next);
            let reason = format!("needed by {}", name_of(module));
            for needed in module.elf.dynamic.needed.clone() {
                self.load(&needed, by, layer, &reason);
            }
            self.next += 1;
        }
    }

    /// Loads a library by the name that a module gives it, without what it needs in turn. Answers
    /// its number.
    pub fn load(&mut self, name: &[u8], by: usize, layer: Layer, reason: &str) -> Option<usize> {
        if self.musl && MUSL_RESERVED.iter().any(|own| name.starts_with(own)) {
            return self.interpreter;
        }
        let soname = |module: &Module| module.elf.dynamic.soname.as_deref() == Some(name);
        if !name.contains(&b'/') {
            if let Some(at) = self.modules.iter().position(soname) {
                return Some(at);
            }
            // A library without a name of its own is known by the one it was found under.
            let found =
                |module: &Module| module.path.file_name().is_some_and(|own| own.as_bytes() == name);
            if let Some(at) = self.modules.iter().position(found) {
                return Some(at);
            }
        }
        let wanted = Path::new(OsStr::from_bytes(name));
        let candidates =
            if name.contains(&b'/') { vec![wanted.to_owned()] } else { self.candidates(name, by) };
        let mut refused = None;
        for candidate in candidates {
            let Some(path) = self.search.root.file(&candidate) else {
                self.consulted.insert(candidate);
                continue;
            };
            if let Some(at) = self.modules.iter().position(|module| module.path == path) {
                return Some(at);
            }
            match self.files.read(&path) {
                // Wrong machine: the loader goes on (open_verify in dl-load.c).
                Err(error) => {
                    refused = Some(format!("{}: {error}", path.display()));
                    self.consulted.insert(path);
                }
                Ok(_) => return self.add(path, Some(by), layer, reason),
            }
        }
        let who = name_of(&self.modules[by]);
        let why = refused.unwrap_or_else(|| "not found".to_owned());
        self.miss(name, &format!("{reason}, asked for by {who}: {why}"));
        None
    }

    /// Loads a library for the program as a whole, as dlopen(3) does.
    pub fn open(&mut self, name: &[u8], layer: Layer, reason: &str) -> Option<usize> {
        self.load(name, 0, layer, reason)
    }

    /// The same, when it does not matter whether it is there.
    pub fn open_quietly(&mut self, name: &[u8], layer: Layer, reason: &str) -> Option<usize> {
        let missing = self.missing.len();
        let number = self.load(name, 0, layer, reason);
        self.missing.truncate(missing);
        number
    }

    /// Whether a library of this name is there already.
    pub fn has(&self, name: &[u8]) -> bool {
        let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        self.modules.iter().any(|module| {
            module.elf.dynamic.soname.as_deref() == Some(last)
                || module.path.file_name().is_some_and(|own| own.as_bytes() == last)
        })
    }

    /// Adds a file by its path inside the root.
    pub fn add(
        &mut self,
        path: PathBuf,
        loader: Option<usize>,
        layer: Layer,
        reason: &str,
    ) -> Option<usize> {
        if let Some(at) = self.modules.iter().position(|module| module.path == path) {
            return Some(at);
        }
        if self.modules.len() >= MODULES_MAX {
            self.miss(path.as_os_str().as_bytes(), "a program has too many libraries");
            return None;
        }
        match self.files.read(&path) {
            Ok(elf) => {
                let reason = reason.to_owned();
                self.modules.push(Module { path, elf, layer, reason, loader });
                Some(self.modules.len() - 1)
            }
            Err(error) => {
                self.miss(path.as_os_str().as_bytes(), &error.to_string());
                None
            }
        }
    }

    fn miss(&mut self, name: &[u8], what: &str) {
        let name = String::from_utf8_lossy(name).into_owned();
        let missing = Missing { name, what: what.to_owned() };
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    /// The paths that the loader tries, in its order.
    fn candidates(&self, name: &[u8], by: usize) -> Vec<PathBuf> {
        let file = OsStr::from_bytes(name);
        let mut found = Vec::new();
        let mut directory = |directory: &Path| {
            for sub in &self.search.subdirectories {
                found.push(directory.join(sub).join(file));
            }
            found.push(directory.join(file));
        };
        let asking = &self.modules[by].elf.dynamic;
        if self.musl {
            self.search.library_path.iter().for_each(|path| directory(path));
            for (number, list) in self.rpaths(by) {
                self.expand(number, list).iter().for_each(|path| directory(path));
            }
            self.search.musl.iter().for_each(|path| directory(path));
            return found;
        }
        if asking.runpath.is_none() {
            for (number, list) in self.rpaths(by) {
                self.expand(number, list).iter().for_each(|path| directory(path));
            }
        }
        self.search.library_path.iter().for_each(|path| directory(path));
        if let Some(list) = &asking.runpath {
            self.expand(by, list).iter().for_each(|path| directory(path));
        }
        let cached = self.search.cache.paths(name);
        for path in cached {
            if let Some(parent) = path.parent() {
                let subs = self.search.subdirectories.iter();
                found.extend(subs.map(|sub| parent.join(sub).join(file)));
            }
            found.push(path.clone());
        }
        if !asking.no_default {
            for directory in DEFAULT_DIRECTORIES {
                for sub in &self.search.subdirectories {
                    found.push(Path::new(directory).join(sub).join(file));
                }
                found.push(Path::new(directory).join(file));
            }
        }
        found
    }

    /// The RPATHs that count for a module: its own and those of the modules that it came by (musl:
    /// either of the two entries).
    fn rpaths(&self, by: usize) -> Vec<(usize, &[u8])> {
        let mut found = Vec::new();
        let mut at = Some(by);
        // Each came after the one that loaded it, so this ends.
        while let Some(number) = at {
            let dynamic = &self.modules[number].elf.dynamic;
            match (&dynamic.rpath, &dynamic.runpath) {
                (Some(list), None) => found.push((number, list.as_slice())),
                (_, Some(list)) if self.musl => found.push((number, list.as_slice())),
                _ => {}
            }
            at = self.modules[number].loader.filter(|&loader| loader < number);
        }
        found
    }

    /// The directories of a list, its variables replaced.
    fn expand(&self, by: usize, list: &[u8]) -> Vec<PathBuf> {
        let path = &self.modules[by].path;
        let origin = path.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes();
        let list = list.split(|&byte| byte == b':').filter(|part| !part.is_empty());
        list.map(|part| {
            let mut part = part.to_vec();
            for (variable, value) in
                [("ORIGIN", origin), ("LIB", b"lib/x86_64-linux-gnu"), ("PLATFORM", b"x86_64")]
            {
                for name in [format!("${{{variable}}}"), format!("${variable}")] {
                    part = replace(&part, name.as_bytes(), value);
                }
            }
            PathBuf::from(OsStr::from_bytes(&part))
        })
        .collect()
    }
}

/// The last component of a module's path.
pub fn name_of(module: &Module) -> String {
    module.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn replace(text: &[u8], name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(name.len()).position(|window| window == name) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(value);
        rest = &rest[at + name.len()..];
    }
    out.extend_from_slice(rest);
    out
}
