//! Name services: the libraries that nsswitch.conf(5) names.

use super::{Interface, Opened};
use crate::{closure::Closure, elf::Elf, files::Files};
use model::analysis::Layer;
use std::collections::BTreeSet;

/// Who holds this name reads which name services are configured.
const NSSWITCH: &[u8] = b"/etc/nsswitch.conf";

/// The modules of the services that nsswitch.conf names for any database, or that glibc takes
/// without it (nss/nss_database.c).
pub fn open(
    files: &Files,
    closure: &mut Closure<'_>,
    strings: &BTreeSet<Vec<u8>>,
    found: &mut BTreeSet<Opened>,
) {
    if !strings.contains(NSSWITCH) {
        return;
    }
    let text = files.root.text("/etc/nsswitch.conf");
    let text = text.as_deref().unwrap_or("passwd: files\nhosts: dns files\n");
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some((database, services)) = line.split_once(':') else { continue };
        let name = |service: &&str| {
            service.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter))
        };
        for service in services.split_whitespace().filter(name) {
            let prefix = format!("_nss_{service}_");
            // glibc has some of them in itself.
            let built_in = closure
                .modules
                .iter()
                .any(|module| module.layer == Layer::Core && exports(&module.elf, &prefix));
            if built_in {
                continue;
            }
            let reason = format!("nsswitch.conf: {}: {service}", database.trim());
            let library = format!("libnss_{service}.so.2");
            // A service without a module is passed over.
            let number = closure.open_quietly(library.as_bytes(), Layer::Nss, &reason);
            if let Some(path) = number.map(|number| closure.modules[number].path.clone()) {
                let interface = Interface::Prefix(prefix);
                found.insert(Opened { layer: Layer::Nss, path, interface });
            }
        }
    }
}

fn exports(elf: &Elf, prefix: &str) -> bool {
    elf.symbols
        .iter()
        .any(|symbol| symbol.defined && elf.bytes_of(&symbol.name).starts_with(prefix.as_bytes()))
}
