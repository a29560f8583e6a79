//! What programs were seen to do was predicted: every call that a trace attributes to an executable is in the analysis
//! of that executable, start-up and shutdown included; and where the analysis says that it knows all values of an
//! argument, no other was seen.
//!
//! Observed are the workloads and the jobs of `recall/jobs.tsv`. The analysis sees nothing of the run.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use model::analysis::{AnalysedProgram, PredictedCall};
use model::trace::{CallRecord, Program};
use model::{Arch, Sysno, Text, Trace, document};
use support::analysis::{analyse, is_32_bit, label};
use support::bundle::Bundle;
use support::run::Scene;
use support::workload::Workload;
use support::{skip, tests_dir, workload_tests};

mod workloads {
    crate::workload_tests!(super::workload);
}

mod jobs {
    /// One test per row of `recall/jobs.tsv`, named after it.
    macro_rules! job_tests {
        ($($name:ident)*) => {
            $(#[test] fn $name() { super::job(stringify!($name)); })*

            #[test]
            fn every_job_has_its_test() {
                let tested: Vec<&str> = vec![$(stringify!($name)),*];
                let rows = super::rows::<3>("jobs.tsv");
                assert_eq!(tested, rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>());
            }
        };
    }
    job_tests!(
        ar_and_strip archive_zip base64_and_sums bc_and_dates binutils block_devices coreutils_columns
        coreutils_cut_up coreutils_dirs coreutils_env coreutils_format coreutils_limits diffutils dpkg_queries
        e2fsprogs editors find_and_xargs gawk_script getent_all go_tools grep_family hex_tools iconv_convert
        ip_and_sockets kernel_log less_pages lighttpd_serves locale_tools lua_script make_rules memcached_serves
        musl_compiles perl_modules procps_tools python_modules redis_tools rsync_copies runtimes schedulers
        scmp_tools scripts_and_sessions sqlite_files ssh_keys strace_itself tcl_script user_database
        users_and_namespaces xz_and_friends
    );
}

fn workload(name: &str) {
    check(&Workload::load(name));
}

fn job(name: &str) {
    let [_, needs, line] = rows("jobs.tsv").into_iter().find(|row| row[0] == name).expect("a row");
    let needs: Vec<&str> = needs.split_whitespace().collect();
    check(&Workload::line(name, &needs, &line));
}

fn check(workload: &Workload) {
    if std::env::consts::ARCH != "x86_64" {
        return skip("the analyzer reads x86_64 only");
    }
    if let Some(why) = workload.obstacle() {
        return skip(&why);
    }
    let (scene, bundle) = (Scene::prepare(workload), Bundle::new());
    bundle.trace(&scene, workload.engines[0]);
    let mut missed = Vec::new();
    for program in programs(&bundle) {
        missed.extend(judge(&program));
    }
    assert!(
        missed.is_empty(),
        "seen in {}, not predicted:\n  {}",
        workload.name,
        missed.join("\n  ")
    );
}

/// What each executable did.
fn programs(bundle: &Bundle) -> Vec<Program> {
    let traces = bundle.trace_files();
    let traces = traces.iter().map(|path| -> Trace {
        document::from_json(&fs::read(path).expect("read the trace")).expect("a trace")
    });
    // What comes before the first exec belongs to whoever launched the program.
    traces
        .flat_map(|trace| trace.programs)
        .filter(|program| program.path != Text::from("[before exec]"))
        .collect()
}

/// The calls of one executable that its analysis lacks, one sentence each.
fn judge(program: &Program) -> Vec<String> {
    let (path, executable) = (program.path.to_string(), program.path.as_path());
    let allowed = Allowed::load(&path);
    if allowed.0.contains("*") {
        return Vec::new();
    }
    assert!(executable.is_file(), "{path} ran, and is gone");
    if is_32_bit(executable) {
        return refused(executable);
    }
    let analysis = match analyse(executable, &[]) {
        Ok(analysis) => analysis,
        Err(why) => return vec![format!("{path} is refused: {why}")],
    };
    println!("{path}: {} of {} predicted calls seen", program.calls.len(), analysis.calls.len());
    let mut wrong = Vec::new();
    for (call, record) in &program.calls {
        match analysis.calls.get(call) {
            Some(predicted) => wrong.extend(
                surprises(record, predicted)
                    .iter()
                    .map(|what| format!("{path}: {} with {what}", label(*call))),
            ),
            None if allowed.has(*call) => {}
            None => wrong.push(missing(&path, *call, record, &analysis)),
        }
    }
    wrong
}

/// Values that were seen for parameters of which the analysis says that it knows all values.
fn surprises(record: &CallRecord, predicted: &PredictedCall) -> Vec<String> {
    let Some(seen) = &record.arguments else { return Vec::new() };
    let known = predicted.arguments.iter().filter(|(name, _)| seen.names.contains(name));
    // A trace keeps what the kernel looks at, which for most is half of the register.
    let low = |value: u64| value & 0xffff_ffff;
    let surprise = |(name, values): (&String, &BTreeSet<u64>)| {
        let values: BTreeSet<u64> = values.iter().copied().map(low).collect();
        let beyond: Vec<u64> =
            seen.column(name).into_iter().filter(|value| !values.contains(&low(*value))).collect();
        (!beyond.is_empty()).then(|| format!("{name} {beyond:x?}, predicted {values:x?}"))
    };
    known.filter_map(surprise).collect()
}

/// A program of 32 bits is refused, or its analysis says that calls may be missing: there is no silent half of one.
fn refused(executable: &Path) -> Vec<String> {
    match analyse(executable, &[]) {
        Ok(analysis) if analysis.gaps.iter().all(|gap| !gap.loses()) => {
            vec![format!("{} has 32 bits and an analysis without a gap", executable.display())]
        }
        _ => Vec::new(),
    }
}

fn missing(path: &str, call: Sysno, record: &CallRecord, analysis: &AnalysedProgram) -> String {
    let site = record.site.as_ref().map_or("an unknown place".to_owned(), |site| {
        let analysed = analysis.modules.iter().any(|module| module.path == site.module);
        let known = if analysed { "" } else { ", which was not analysed" };
        format!("{}+{:#x}{known}", site.module, site.offset)
    });
    let lost = analysis.gaps.iter().filter(|gap| gap.loses()).count();
    format!("{path}: {} at {site} ({lost} gaps that may lose calls)", label(call))
}

/// The rows for one program of `recall/allow.tsv`, which need not be predicted, and of `recall/open.tsv`, which should
/// be and are not yet.
struct Allowed(BTreeSet<String>);

impl Allowed {
    fn load(path: &str) -> Allowed {
        let rows = rows::<3>("allow.tsv").into_iter().chain(rows("open.tsv"));
        let named = |program: &str| match program.strip_prefix('*') {
            Some(end) => path.ends_with(end),
            None => program == path,
        };
        let rows = rows.filter(|[program, ..]| named(program));
        Allowed(rows.map(|[_, call, _]| call).collect())
    }

    fn has(&self, call: Sysno) -> bool {
        self.0.contains(&label(call))
    }
}

/// The rows of a table in `recall/`.
fn rows<const COLUMNS: usize>(table: &str) -> Vec<[String; COLUMNS]> {
    let path = tests_dir().join("recall").join(table);
    let text = fs::read_to_string(path).expect("read a table of recall/");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let columns = |line: &str| -> [String; COLUMNS] {
        let columns: Vec<String> = line.splitn(COLUMNS, '\t').map(str::to_owned).collect();
        columns.try_into().unwrap_or_else(|_| panic!("{table}: not {COLUMNS} columns: {line}"))
    };
    lines.map(columns).collect()
}

#[test]
fn every_call_that_need_not_be_predicted_has_a_reason() {
    for [program, call, reason] in rows("allow.tsv").into_iter().chain(rows("open.tsv")) {
        let path = program.strip_prefix('*').unwrap_or(&program);
        assert!(path.is_empty() || path.starts_with('/'), "{program} is no path");
        let (arch, name) = call.split_once(':').unwrap_or(("x86_64", &call));
        let arch = Arch::from_name(arch).expect("an architecture");
        let known = call == "*" || Sysno::from_name(arch, name).is_some();
        assert!(known, "allow.tsv: no call {call}");
        assert!(reason.len() > 20, "allow.tsv: no reason for {call}");
    }
}
