//! Predicts from ELF files. So far it answers one question: which function holds an instruction.
//!
//! The files may be hostile: what cannot be read has no name, and nothing here panics on bytes.

mod functions;

pub use functions::{FunctionError, Functions};

use model::{Text, Trace};
use std::{collections::BTreeMap, path::Path};

/// Gives every call site of the trace the name of its function, where its file still has one.
pub fn name_sites(trace: &mut Trace) {
    let mut files: BTreeMap<Text, Option<Functions>> = BTreeMap::new();
    let calls = trace.programs.iter_mut().flat_map(|program| program.calls.values_mut());
    for site in calls.filter_map(|call| call.site.as_mut()) {
        if site.symbol.is_some() || site.module.as_bytes().first() != Some(&b'/') {
            continue;
        }
        let functions = files
            .entry(site.module.clone())
            .or_insert_with(|| Functions::read(Path::new(site.module.as_path())).ok());
        site.symbol = functions.as_ref().and_then(|functions| functions.name(site.offset));
    }
}
