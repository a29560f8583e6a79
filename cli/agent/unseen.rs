//! Which calls a container's filter lets through unannounced: they are in no record, and may have
//! been made. The container's own configuration says it.

use anyhow::{Context, bail};
use model::{Arch, Sysno};
use profiles::{
    handover::unannounced,
    read::{Input, Kind, Profile, read},
    runtime::Runtime,
};
use std::{collections::BTreeSet, io::Read, path::Path};
use supervisor::elf_file::open_regular;

/// The largest configuration that is read.
const CONFIG_MAX: u64 = 16 << 20;

/// The calls, for every architecture of the profile, and what the reader of a trace must know.
pub fn unseen(bundle: &Path) -> (BTreeSet<Sysno>, Vec<String>) {
    let config = bundle.join("config.json");
    match profile(&config) {
        Ok(profile) => of_profile(&profile),
        Err(error) => {
            let calls = unannounced(&Runtime::ALL.map(Into::into).into());
            let note = format!(
                "{} could not be read ({error:#}): the calls that the container may have made \
                 unseen are taken to be those of profgen's own recording profile",
                config.display()
            );
            (of_names(Arch::ALL, calls.into_iter()).collect(), vec![note])
        }
    }
}

fn profile(config: &Path) -> anyhow::Result<Profile> {
    let mut bytes = Vec::new();
    open_regular(config)?.take(CONFIG_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > CONFIG_MAX {
        bail!("it is larger than {} MiB", CONFIG_MAX >> 20);
    }
    match read(&bytes).context("not understood")? {
        Input::Seccomp(profile) => Ok(profile),
        Input::Policy(_) => bail!("it is a policy"),
    }
}

fn of_profile(profile: &Profile) -> (BTreeSet<Sysno>, Vec<String>) {
    let passes = |kind: Kind| matches!(kind, Kind::Allow | Kind::Log);
    let listed = profile.architectures.iter().filter_map(|name| Arch::from_oci_name(name));
    let arches: BTreeSet<Arch> = listed.chain(Arch::native()).collect();
    let arches = Vec::from_iter(arches);
    let entries = profile.entries.iter().filter(|entry| passes(entry.answer.kind));
    let names = entries.flat_map(|entry| entry.names.iter().map(String::as_str));
    let mut notes = Vec::new();
    if passes(profile.default.kind) {
        let note = "the container's profile lets through what it does not name: such calls are \
                    not in the record";
        notes.push(note.to_owned());
    }
    (of_names(&arches, names).collect(), notes)
}

fn of_names<'a>(
    arches: &[Arch],
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = Sysno> {
    names.flat_map(|name| arches.iter().filter_map(move |arch| Sysno::from_name(*arch, name)))
}
