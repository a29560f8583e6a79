//! What a trace says, as a policy that allows just what the run did.

use crate::join;
use model::{
    Policy, Text, Trace,
    policy::{Entry, Evidence, Observed, Origins, ProgramIdentity},
    trace::{Module, Program},
};
use std::collections::{BTreeMap, BTreeSet};

/// The part of a policy that is evidence: one run, its programs and calls, nothing derived.
pub(crate) fn observed(trace: Trace) -> Policy {
    let mut policy = Policy::default();
    let run = trace.id;
    let evidence = Evidence {
        kind: "trace".to_owned(),
        command: trace.command.argv,
        gaps: trace.completeness.gaps().into_iter().collect(),
    };
    policy.evidence.insert(run.clone(), evidence);
    for program in trace.programs {
        identities(&program, &mut policy.programs);
        for (sysno, record) in program.calls {
            let observed = Observed {
                runs: BTreeSet::from([run.clone()]),
                programs: BTreeMap::from([(program.path.clone(), record.site)]),
            };
            let origins = Origins { observed: Some(observed), ..Origins::default() };
            let entry = Entry { origins, ..Entry::default() };
            join::entry(&mut policy.calls, sysno, entry);
        }
    }
    policy
}

/// The executable and the files mapped into it. A name in brackets stands for no file.
fn identities(program: &Program, programs: &mut BTreeMap<Text, ProgramIdentity>) {
    if !program.path.as_bytes().starts_with(b"[") {
        programs.entry(program.path.clone()).or_default();
    }
    for module in &program.modules {
        programs.entry(module.path.clone()).or_default().versions.extend(version(module));
    }
}

/// Which file it was: the linker's build id, else a hash of the content.
fn version(module: &Module) -> Option<String> {
    let hash = || module.sha256.as_ref().map(|hash| format!("sha256:{hash}"));
    module.build_id.clone().or_else(hash)
}
