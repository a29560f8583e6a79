//! Arbitrary documents for property tests: every variant of every enum comes up, texts hold bytes
//! that are not UTF-8, and few enough names that two documents speak of the same things.

#![allow(clippy::expect_used, reason = "a generator that fails is a failed test")]

pub mod confinement;
pub mod descriptor;

use crate::{
    Access, Analysis, Arch, ArgCmp, Arguments, Call, CapabilityRecord, Checked, CmpOp, Confirmed,
    Decision, Need, Policy, Rule, Shared, Subject, Sysno, Text, Trace, Verdict, Word, Words,
    analysis::{self, AnalysedModule, AnalysedProgram, Gap, GapKind, Layer, Phase, PredictedCall},
    capability::{self, Check},
    policy::{
        ArgumentRules, EndpointEntry, Entry, Evidence, EvidenceKind, FileEntry, Observed, Origins,
        Predicted, ProgramIdentity, Settings, Strategy as PolicyStrategy, Withheld,
    },
    trace::{
        Address, CallRecord, Command, Completeness, Container, Cut, Ended, Endpoint,
        EndpointOperation, Engine, EngineName, FileKind, FileRecord, Host, Mark, Module, Outcomes,
        Privileged, Process, Program, Site, Untraced,
    },
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::{Index, select},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

/// Any trace.
pub fn trace() -> impl Strategy<Value = Trace> {
    let head =
        (run_id(), "2026-1[0-2]-[0-2][1-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]Z", "0\\.[0-9]\\.0");
    let rest = (
        engine(),
        (vec(text(), 1..4), text(), places(), option::of(container())),
        (completeness(), option::of(capability_record())),
        (vec(program(), 0..4), vec(descriptor::image(), 0..3), vec(descriptor::stack(), 0..3)),
        vec(process(), 0..3),
    );
    (head, host(), rest).prop_map(
        |((id, started, recorder), host, (engine, command, completeness, programs, processes))| {
            let (completeness, capabilities) = completeness;
            let (programs, images, stacks) = programs;
            Trace {
                schema: Default::default(),
                id,
                started,
                recorder,
                host,
                engine,
                command: Command { argv: command.0, directory: command.1, places: command.2 },
                container: command.3,
                completeness,
                programs,
                processes,
                images,
                stacks,
                capabilities,
            }
        },
    )
}

/// Any analysis.
pub fn analysis() -> impl Strategy<Value = Analysis> {
    (run_id(), "0\\.[0-9]\\.0", analysis_options(), vec(analysed_program(), 0..3)).prop_map(
        |(id, analyzer, options, programs)| Analysis {
            schema: Default::default(),
            id,
            analyzer,
            options,
            programs,
        },
    )
}

/// Any policy: also what no merge would give.
pub fn policy() -> impl Strategy<Value = Policy> {
    (
        settings(),
        btree_map(run_id(), evidence(), 0..3),
        btree_map(path(), identity(), 0..4),
        btree_map(subject(), decision(), 0..3),
        btree_map(sysno(), entry(), 0..12),
        btree_map(sysno(), withheld(), 0..4),
        btree_map(text(), file_entry(), 0..4),
        endpoint_entries(),
        btree_map(path(), confinement::kept(), 0..3),
    )
        .prop_map(
            |(
                settings,
                evidence,
                programs,
                decisions,
                calls,
                withheld,
                files,
                endpoints,
                confinement,
            )| Policy {
                schema: Default::default(),
                settings,
                evidence,
                programs,
                decisions,
                calls,
                withheld,
                files,
                endpoints,
                confinement,
            },
        )
}

/// Any system call, now and then one without a name.
pub fn sysno() -> impl Strategy<Value = Sysno> {
    let arches = vec![Arch::X86_64, Arch::X86_64, Arch::I386, Arch::Aarch64];
    (select(arches), any::<Index>(), 0..20u8).prop_map(|(arch, index, nameless)| {
        let known: Vec<u32> = Call::all().iter().filter_map(|call| call.number(arch)).collect();
        match nameless {
            0 => Sysno::new(arch, 100_000 + index.index(7) as u32),
            // Calls from whose arguments rules are inferred, and what stands in for them.
            1..6 => {
                let names = ["socket", "mmap", "mprotect", "clone", "clone3", "setns"];
                Sysno::from_name(arch, names[index.index(names.len())])
                    .unwrap_or(Sysno::new(arch, known[0]))
            }
            _ => Sysno::new(arch, known[index.index(known.len())]),
        }
    })
}

/// Any argument rule.
pub fn rule() -> impl Strategy<Value = Rule> {
    btree_map(0..6u8, (any::<u8>(), small(), small()), 1..3).prop_map(|comparisons| {
        let comparisons = comparisons.into_iter().map(|(index, (op, value, mask))| {
            let op = match op % 7 {
                0 => CmpOp::Eq,
                1 => CmpOp::Ne,
                2 => CmpOp::Lt,
                3 => CmpOp::Le,
                4 => CmpOp::Ge,
                5 => CmpOp::Gt,
                _ => return ArgCmp::masked(index, mask, value & mask).expect("valid by making"),
            };
            ArgCmp::new(index, op, value).expect("valid by making")
        });
        Rule::new(comparisons.collect()).expect("each index once")
    })
}

/// Bytes such as the kernel has them.
pub fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        4 => path(),
        1 => vec(any::<u8>(), 0..9).prop_map(Text::from),
        1 => select(vec!["", "\\", "a\\x41", "\n\u{1b}[31m", "\u{e9}\u{1f600}"]).prop_map(Text::from),
    ]
}

fn path() -> impl Strategy<Value = Text> {
    select(vec!["/bin/a", "/bin/b", "/lib/c.so.6", "/lib/d\\.so", "[before exec]"])
        .prop_map(Text::from)
}

fn places() -> impl Strategy<Value = BTreeMap<String, Text>> {
    btree_map(select(Command::PLACES.to_vec()).prop_map(str::to_owned), path(), 0..3)
}

fn evidence_places() -> impl Strategy<Value = BTreeMap<String, Text>> {
    (places(), option::of(path())).prop_map(|(mut places, directory)| {
        places.extend(directory.map(|directory| ("CWD".to_owned(), directory)));
        places
    })
}

fn run_id() -> impl Strategy<Value = String> {
    "000000000000000[0-9a-f]"
}

fn small() -> impl Strategy<Value = u64> {
    prop_oneof![0..9u64, Just(u64::from(u32::MAX)), any::<u64>()]
}

fn sentence() -> impl Strategy<Value = String> {
    select(vec!["a gap", "another gap", "because"]).prop_map(str::to_owned)
}

fn host() -> impl Strategy<Value = Host> {
    ("[3-7]\\.[0-9]{1,2}\\.0", select(Arch::ALL.to_vec()))
        .prop_map(|(kernel, arch)| Host { kernel, arch })
}

fn engine() -> impl Strategy<Value = Engine> {
    let name = select(vec![EngineName::Ptrace, EngineName::Notify]);
    (name, sentence(), any::<bool>(), any::<bool>()).prop_map(
        |(name, reason, no_new_privs, results)| Engine { name, reason, no_new_privs, results },
    )
}

fn container() -> impl Strategy<Value = Container> {
    let annotations = btree_map("[a-z]{1,4}", sentence(), 0..2);
    ("[a-z0-9]{4}", "[a-z]{0,3}", annotations).prop_map(|(id, metadata, annotations)| Container {
        id,
        metadata,
        annotations,
    })
}

fn completeness() -> impl Strategy<Value = Completeness> {
    let named = || (text(), sentence());
    (
        (option::of(ended()), option::of(signal()), 0..3u64, 0..3u64),
        vec(named(), 0..2),
        vec((sentence(), small()), 0..2),
        vec(named(), 0..2),
        (btree_set(sysno(), 0..3), btree_set(sentence(), 0..3), descriptor::followed()),
    )
        .prop_map(|((ended, interrupted, lost, unread), untraced, cut, privileges, rest)| {
            let (unseen, notes, descriptors) = rest;
            Completeness {
                ended,
                interrupted,
                lost,
                unread,
                untraced: untraced
                    .into_iter()
                    .map(|(program, reason)| Untraced { program, reason })
                    .collect(),
                cut: cut.into_iter().map(|(what, bound)| Cut { what, bound }).collect(),
                privileges: privileges
                    .into_iter()
                    .map(|(program, kind)| Privileged { program, kind })
                    .collect(),
                unseen,
                descriptors,
                notes,
            }
        })
}

fn signal() -> impl Strategy<Value = String> {
    select(vec!["SIGINT", "SIGSEGV", "SIGRTMIN+3"]).prop_map(str::to_owned)
}

fn ended() -> impl Strategy<Value = Ended> {
    prop_oneof![(0..256).prop_map(Ended::Exit), signal().prop_map(Ended::Signal)]
}

fn program() -> impl Strategy<Value = Program> {
    (
        (path(), small(), any::<bool>()),
        btree_map(sysno(), call_record(), 0..8),
        vec(file(), 0..3),
        vec(endpoint(), 0..3),
        vec(module(), 0..3),
    )
        .prop_map(
            |((path, executions, write_and_execute), calls, files, endpoints, modules)| Program {
                path,
                executions,
                write_and_execute,
                calls,
                files,
                endpoints,
                modules,
            },
        )
}

fn errors() -> impl Strategy<Value = BTreeMap<String, u64>> {
    btree_map(select(vec!["ENOENT", "EACCES", "E2BIG"]).prop_map(str::to_owned), small(), 0..3)
}

fn call_record() -> impl Strategy<Value = CallRecord> {
    (small(), errors(), option::of(site()), option::of(arguments()), checks(), marks()).prop_map(
        |(count, errors, site, arguments, checks, marks)| CallRecord {
            count,
            errors,
            site,
            arguments,
            checks,
            marks,
        },
    )
}

fn marks() -> impl Strategy<Value = BTreeSet<Mark>> {
    btree_set(select(Mark::ALL.to_vec()), 0..2)
}

fn checks() -> impl Strategy<Value = BTreeSet<Check>> {
    btree_set(select(Check::ALL.to_vec()), 0..3)
}

fn words<T: Word>(of: &'static [T], many: Range<usize>) -> impl Strategy<Value = Words<T>> {
    vec(select(of.to_vec()), many).prop_map(|words| words.into_iter().collect())
}

fn site() -> impl Strategy<Value = Site> {
    let symbol = option::of(select(vec!["read+0x4", "__read+0x4"]).prop_map(str::to_owned));
    (path(), 0..3u64, symbol).prop_map(|(module, offset, symbol)| Site { module, offset, symbol })
}

fn arguments() -> impl Strategy<Value = Arguments> {
    let names = select(vec!["domain type", "prot flags", "flags prot", "nstype domain"]);
    (names, btree_set(vec(small(), 2), 1..4), any::<bool>()).prop_map(|(names, values, many)| {
        Arguments { names: names.split(' ').map(str::to_owned).collect(), values, many }
    })
}

fn file() -> impl Strategy<Value = FileRecord> {
    (
        text(),
        option::of(text()),
        words(FileKind::ALL, 0..3),
        btree_map(select(Access::ALL.to_vec()), outcomes(), 0..4),
        (checks(), btree_set(text(), 0..2), any::<bool>()),
    )
        .prop_map(|(path, resolved, found, accesses, (checks, moves, own))| FileRecord {
            path,
            resolved,
            found,
            accesses: accesses.into_iter().collect(),
            checks,
            moves,
            own,
        })
}

fn outcomes() -> impl Strategy<Value = Outcomes> {
    (0..3u64, 0..3u64, errors()).prop_map(|(ok, unknown, failed)| Outcomes { ok, unknown, failed })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let operation = select(vec![
        EndpointOperation::Bind,
        EndpointOperation::Listen,
        EndpointOperation::Connect,
        EndpointOperation::Send,
    ]);
    let socket = option::of(select(vec!["stream", "datagram"]).prop_map(str::to_owned));
    (operation, address(), socket, outcomes()).prop_map(|(operation, address, socket, outcomes)| {
        Endpoint { operation, address, socket, outcomes }
    })
}

fn address() -> impl Strategy<Value = Address> {
    let host = select(vec!["127.0.0.1", "::1"]).prop_map(str::to_owned);
    prop_oneof![
        (host, any::<u16>()).prop_map(|(host, port)| Address::Inet { host, port }),
        (text(), option::of(text())).prop_map(|(path, resolved)| Address::Unix { path, resolved }),
        text().prop_map(|name| Address::Abstract { name }),
        any::<u32>().prop_map(|groups| Address::Netlink { groups }),
        any::<u16>().prop_map(|family| Address::Other { family }),
    ]
}

fn module() -> impl Strategy<Value = Module> {
    (path(), option::of("[0-9a-f]{8}"), option::of("[0-9a-f]{64}"))
        .prop_map(|(path, build_id, sha256)| Module { path, build_id, sha256 })
}

fn process() -> impl Strategy<Value = Process> {
    (
        (any::<u32>(), option::of(any::<u32>()), vec(any::<u32>(), 0..3), small()),
        btree_map(sysno(), small(), 0..4),
        option::of(ended()),
    )
        .prop_map(|((id, parent, programs, threads), calls, ended)| Process {
            id,
            parent,
            programs,
            threads,
            calls,
            ended,
        })
}

fn layer() -> impl Strategy<Value = Layer> {
    select(Layer::ALL.to_vec())
}

fn phase() -> impl Strategy<Value = Phase> {
    select(vec![Phase::BeforeMain, Phase::AfterMain, Phase::Both])
}

fn analysis_options() -> impl Strategy<Value = analysis::Options> {
    let paths = || vec(path(), 0..2);
    (option::of(path()), paths(), paths(), paths(), btree_set(layer(), 0..4)).prop_map(
        |(root, library_path, preload, modules, layers)| analysis::Options {
            root,
            library_path,
            preload,
            modules,
            layers,
        },
    )
}

fn analysed_program() -> impl Strategy<Value = AnalysedProgram> {
    (
        (path(), option::of(path())),
        vec(analysed_module(), 0..3),
        btree_map(sysno(), predicted_call(), 0..8),
        (btree_set(path(), 0..2), btree_set(path(), 0..2)),
        vec(gap(), 0..3),
        btree_set(sentence(), 0..2),
    )
        .prop_map(|((path, script), modules, calls, (executes, opens), gaps, assumptions)| {
            AnalysedProgram { path, script, modules, calls, executes, opens, gaps, assumptions }
        })
}

fn analysed_module() -> impl Strategy<Value = AnalysedModule> {
    (module(), layer(), sentence()).prop_map(|(module, layer, reason)| AnalysedModule {
        path: module.path,
        build_id: module.build_id,
        sha256: module.sha256,
        layer,
        reason,
    })
}

fn predicted_call() -> impl Strategy<Value = PredictedCall> {
    (layer(), phase(), vec(site(), 0..3), any::<u32>(), known_arguments()).prop_map(
        |(layer, phase, chain, sites, arguments)| PredictedCall {
            layer,
            phase,
            chain,
            sites,
            arguments,
        },
    )
}

/// Among them parameters from which rules are inferred.
fn known_arguments() -> impl Strategy<Value = BTreeMap<String, BTreeSet<u64>>> {
    let names = select(vec!["domain", "prot", "flags", "request"]).prop_map(str::to_owned);
    btree_map(names, btree_set(small(), 0..4), 0..2)
}

fn gap() -> impl Strategy<Value = Gap> {
    let arch = option::of(select(Arch::ALL.to_vec()));
    (select(GapKind::ALL.to_vec()), option::of(site()), sentence(), vec(site(), 0..2), arch)
        .prop_map(|(kind, site, what, chain, arch)| Gap { kind, site, what, chain, arch })
}

/// Any settings of a merge.
pub fn settings() -> impl Strategy<Value = Settings> {
    let strategies =
        vec![PolicyStrategy::Observed, PolicyStrategy::Balanced, PolicyStrategy::Predicted];
    let rules = vec![ArgumentRules::None, ArgumentRules::Risky, ArgumentRules::All];
    (select(strategies), select(rules))
        .prop_map(|(strategy, arguments)| Settings { strategy, arguments })
}

fn subject() -> impl Strategy<Value = Subject> {
    let words = vec!["ptrace", "socket", "openat", "/etc/foo", "tcp:443", "udp:53", "CAP_NET_RAW"];
    prop_oneof![
        1 => select(words).prop_map(|word| Subject::parse(word).expect("a subject")),
        2 => sysno().prop_map(|sysno| Subject::Call {
            arch: Some(sysno.arch()),
            name: sysno.label().into_owned(),
        }),
    ]
}

fn decision() -> impl Strategy<Value = Decision> {
    (select(vec![Verdict::Allow, Verdict::Deny]), sentence())
        .prop_map(|(verdict, reason)| Decision { verdict, reason })
}

fn withheld() -> impl Strategy<Value = Withheld> {
    (origins(), sentence()).prop_map(|(origins, reason)| Withheld { origins, reason })
}

fn file_entry() -> impl Strategy<Value = FileEntry> {
    let accesses = || words(Access::ALL, 0..3);
    let found = || words(&[FileKind::File, FileKind::Directory, FileKind::Absent], 0..3);
    (
        (accesses(), accesses()),
        btree_set(text(), 0..2),
        (found(), checks(), btree_set(text(), 0..2), any::<bool>()),
        btree_set(path(), 0..3).prop_map(Shared::from),
        btree_set(run_id(), 0..3).prop_map(Shared::from),
    )
        .prop_map(|((done, tried), resolved, (found, checks, moves, own), programs, runs)| {
            FileEntry { done, tried, resolved, found, checks, moves, own, programs, runs }
        })
}

fn endpoint_entries() -> impl Strategy<Value = BTreeMap<EndpointOperation, BTreeSet<EndpointEntry>>>
{
    let entry = (endpoint(), btree_set(path(), 0..2), btree_set(run_id(), 0..2)).prop_map(
        |(Endpoint { operation, address, socket, .. }, programs, runs)| {
            (operation, EndpointEntry { address, socket, programs, runs })
        },
    );
    vec(entry, 0..3).prop_map(|entries| {
        let mut by_operation = BTreeMap::<_, BTreeSet<_>>::new();
        for (operation, entry) in entries {
            by_operation.entry(operation).or_default().insert(entry);
        }
        by_operation
    })
}

fn predicted() -> impl Strategy<Value = Predicted> {
    let chain = vec(select(vec!["a:main+0x1", "c.so.6:read+0x4"]).prop_map(str::to_owned), 0..3);
    (btree_set(run_id(), 1..3), btree_map(path(), layer(), 1..3), phase(), chain, known_arguments())
        .prop_map(|(analyses, programs, phase, chain, arguments)| Predicted {
            analyses,
            programs,
            phase,
            chain,
            arguments,
        })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let kind = select(vec![EvidenceKind::Trace, EvidenceKind::Analysis]);
    let capabilities = option::of(capability_record());
    let (gaps, unseen) = (btree_set(sentence(), 0..2), btree_set(sysno(), 0..3));
    let rest = (evidence_places(), any::<bool>(), unseen, capabilities);
    (kind, vec(text(), 0..3), gaps, rest).prop_map(
        |(kind, command, gaps, (places, single, unseen, capabilities))| Evidence {
            kind,
            command,
            gaps,
            places,
            single,
            unseen,
            capabilities,
        },
    )
}

fn capability_record() -> impl Strategy<Value = CapabilityRecord> {
    let name = || select(&capability::NAMES[..]).prop_map(str::to_owned);
    let checked = (0..9_u64, 0..9_u64).prop_map(|(granted, denied)| Checked { granted, denied });
    let need = select(vec![Need::Needed, Need::NotNeeded, Need::Unknown]);
    let confirmed = (need, sentence()).prop_map(|(need, reason)| Confirmed { need, reason });
    let (checked, confirmed) =
        (btree_map(name(), checked, 0..3), btree_map(name(), confirmed, 0..3));
    (checked, 0..3_u64, option::of(sentence()), confirmed).prop_map(
        |(checked, lost, unmeasured, confirmed)| CapabilityRecord {
            checked,
            lost,
            unmeasured,
            confirmed,
        },
    )
}

fn identity() -> impl Strategy<Value = ProgramIdentity> {
    let version = prop_oneof!["[0-9a-f]{8}", "sha256:[0-9a-f]{64}"];
    (btree_set(version, 0..3), any::<bool>(), any::<bool>(), btree_set(text(), 0..2)).prop_map(
        |(versions, executed, write_and_execute, opens)| ProgramIdentity {
            versions,
            executed,
            write_and_execute,
            opens,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let rules = prop_oneof![2 => Just(Default::default()), 1 => btree_set(rule(), 1..3)];
    (origins(), rules).prop_map(|(origins, rules)| Entry { origins, rules })
}

fn origins() -> impl Strategy<Value = Origins> {
    let observed = (
        btree_set(run_id(), 1..3),
        btree_map(path(), option::of(site()), 1..3),
        (option::of(arguments()), checks(), marks()),
    )
        .prop_map(|(runs, programs, (arguments, checks, marks))| Observed {
            runs,
            programs,
            arguments,
            checks,
            marks,
        });
    let variant = btree_set(sysno().prop_map(|sysno| sysno.label().into_owned()), 0..3);
    let runtime = btree_set(select(vec!["runc", "crun 1.8+"]).prop_map(str::to_owned), 0..2);
    (
        option::weighted(0.6, observed),
        option::weighted(0.4, predicted()),
        variant,
        option::weighted(0.2, sentence()),
        runtime,
        option::weighted(0.1, sentence()),
    )
        .prop_map(|(observed, predicted, variant, implied, runtime, decided)| Origins {
            observed,
            predicted,
            variant,
            implied,
            runtime,
            decided,
        })
        .prop_map(|origins| {
            // At least one reason.
            if origins == Origins::default() {
                return Origins { implied: Some("because".to_owned()), ..origins };
            }
            origins
        })
}
