//! What a trace or an analysis says, as a policy that allows just that.

use crate::{capsicum, join};
use model::{
    Analysis, Policy, Shared, Text, Trace, Words,
    analysis::{AnalysedProgram, PredictedCall},
    policy::{
        EndpointEntry, Entry, Evidence, EvidenceKind, FileEntry, Observed, Origins, Predicted,
        ProgramIdentity,
    },
    trace::{Endpoint, FileKind, FileRecord, Program, Site},
};
use std::collections::{BTreeMap, BTreeSet};

/// The part of a policy that is evidence: one run, its programs, calls, files and endpoints.
pub fn observed(trace: &Trace) -> Policy {
    let mut policy = Policy { confinement: capsicum::of_trace(trace), ..Policy::default() };
    let run = &trace.id;
    let runs = Shared::from(BTreeSet::from([run.clone()]));
    let mut places = trace.command.places.clone();
    places.insert("CWD".to_owned(), trace.command.directory.clone());
    let evidence = Evidence {
        kind: EvidenceKind::Trace,
        command: trace.command.argv.clone(),
        gaps: trace.completeness.gaps().into_iter().collect(),
        places,
        single: trace.processes.len() == 1,
        capabilities: trace.capabilities.clone(),
        unseen: trace.completeness.unseen.clone(),
    };
    policy.evidence.insert(run.clone(), evidence);
    for program in &trace.programs {
        let programs = Shared::from(BTreeSet::from([program.path.clone()]));
        identities(program, &mut policy.programs);
        for (sysno, record) in &program.calls {
            let observed = Observed {
                runs: BTreeSet::from([run.clone()]),
                programs: BTreeMap::from([(program.path.clone(), record.site.clone())]),
                arguments: record.arguments.clone(),
                checks: record.checks.clone(),
                marks: record.marks.clone(),
            };
            let origins = Origins { observed: Some(observed), ..Origins::default() };
            let entry = Entry { origins, ..Entry::default() };
            join::entry(&mut policy.calls, *sysno, entry);
        }
        join::files(&mut policy.files, files(&program.files, &programs, &runs));
        for Endpoint { operation, address, socket, .. } in &program.endpoints {
            let programs = BTreeSet::from([program.path.clone()]);
            let runs = BTreeSet::from([run.clone()]);
            let entry =
                EndpointEntry { address: address.clone(), socket: socket.clone(), programs, runs };
            join::endpoint(policy.endpoints.entry(*operation).or_default(), entry);
        }
    }
    policy
}

/// The executable and the files mapped into it. A name in brackets stands for no file.
fn identities(program: &Program, programs: &mut BTreeMap<Text, ProgramIdentity>) {
    if !program.path.as_bytes().starts_with(b"[") {
        let own = programs.entry(program.path.clone()).or_default();
        own.executed |= program.executions > 0;
        own.write_and_execute |= program.write_and_execute;
    }
    for module in &program.modules {
        let version = version(module.build_id.as_ref(), module.sha256.as_ref());
        programs.entry(module.path.clone()).or_default().versions.extend(version);
    }
}

/// Which file it was: the linker's build id, else a hash of the content.
fn version(build_id: Option<&String>, sha256: Option<&String>) -> Option<String> {
    build_id.cloned().or_else(|| sha256.map(|hash| format!("sha256:{hash}")))
}

/// By path: of links that led elsewhere meanwhile there are several records.
fn files(
    records: &[FileRecord],
    programs: &Shared<Text>,
    runs: &Shared<String>,
) -> BTreeMap<Text, FileEntry> {
    let mut files: Vec<(Text, FileEntry)> = Vec::with_capacity(records.len());
    for record in records {
        let entry = used(programs, runs, record);
        match files.last_mut() {
            Some((path, known)) if *path == record.path => join::join_file(known, entry),
            _ => files.push((record.path.clone(), entry)),
        }
    }
    // So they are, unless somebody changed the trace; a map is then made without looking at each.
    if files.is_sorted_by(|(one, _), (next, _)| one < next) {
        return files.into_iter().collect();
    }
    let mut map = BTreeMap::new();
    files.into_iter().for_each(|(path, entry)| join::file(&mut map, path, entry));
    map
}

fn used(programs: &Shared<Text>, runs: &Shared<String>, file: &FileRecord) -> FileEntry {
    // What was never there, and was not made either, cannot have been read or written.
    let absent = file.found == Words::from([FileKind::Absent])
        && !file.accesses.iter().any(|(access, _)| access.makes_the_name());
    let (mut done, mut tried) = (Words::default(), Words::default());
    for (access, outcomes) in &file.accesses {
        // The result of some calls was not seen.
        let worked = outcomes.ok > 0 || outcomes.unknown > 0 && !absent;
        if worked {
            done.insert(*access)
        } else {
            tried.insert(*access)
        };
    }
    FileEntry {
        done,
        tried,
        resolved: file.resolved.iter().cloned().collect(),
        found: file.found,
        checks: file.checks.clone(),
        moves: file.moves.clone(),
        own: file.own,
        programs: programs.clone(),
        runs: runs.clone(),
    }
}

/// The part of a policy that is a prediction.
pub(crate) fn predicted(analysis: Analysis) -> Policy {
    let mut policy = Policy::default();
    let id = analysis.id;
    let evidence = Evidence {
        kind: EvidenceKind::Analysis,
        command: analysis.programs.iter().map(|program| program.path.clone()).collect(),
        gaps: gaps(&analysis.programs),
        places: BTreeMap::new(),
        single: false,
        capabilities: None,
        unseen: BTreeSet::new(),
    };
    policy.evidence.insert(id.clone(), evidence);
    for program in analysis.programs {
        let opens = program.opens.iter().cloned();
        policy.programs.entry(program.path.clone()).or_default().opens.extend(opens);
        for module in &program.modules {
            let version = version(module.build_id.as_ref(), module.sha256.as_ref());
            policy.programs.entry(module.path.clone()).or_default().versions.extend(version);
        }
        for (sysno, call) in program.calls {
            let predicted = reach(&program.path, &id, call);
            let origins = Origins { predicted: Some(predicted), ..Origins::default() };
            join::entry(&mut policy.calls, sysno, Entry { origins, ..Entry::default() });
        }
    }
    policy
}

fn reach(program: &Text, id: &str, call: PredictedCall) -> Predicted {
    let arguments = call.arguments.into_iter();
    Predicted {
        analyses: BTreeSet::from([id.to_owned()]),
        programs: BTreeMap::from([(program.clone(), call.layer)]),
        phase: call.phase,
        chain: call.chain.iter().map(link).collect(),
        arguments: arguments
            .filter(|(_, values)| (1..=Predicted::BOUND).contains(&values.len()))
            .collect(),
    }
}

/// `libc.so.6:openat64+0x3b`; without a symbol the offset alone.
pub(crate) fn link(site: &Site) -> String {
    let module = site.module.base_name();
    match &site.symbol {
        Some(symbol) => format!("{module}:{symbol}"),
        None => format!("{module}+{:#x}", site.offset),
    }
}

/// How many places could not be resolved, by kind: the analysis itself has them all.
fn gaps(programs: &[AnalysedProgram]) -> BTreeSet<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for gap in programs.iter().flat_map(|program| &program.gaps).filter(|gap| gap.loses()) {
        *counts.entry(gap.kind.plural()).or_default() += 1;
    }
    counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect()
}
