//! Compares the analysis of a pitfall's program with what its source demands, see [`super::pitfall`].

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use model::analysis::{AnalysedProgram, Gap, GapKind, Layer, Phase, PredictedCall};
use model::trace::Site;
use model::{Arch, Sysno};
use serde::de::DeserializeOwned;

use super::analysis::{self, label};

/// Compares an analysis with directives.
pub struct Judge<'a> {
    pub program: &'a AnalysedProgram,
    /// What `adds` is relative to.
    pub baseline: Option<&'a AnalysedProgram>,
    /// What is wrong, one sentence each.
    pub wrong: Vec<String>,
}

impl Judge<'_> {
    /// Follows one directive.
    pub fn apply(&mut self, key: &str, words: &[String]) {
        match key {
            "exact" => {
                self.has(&calls(words));
                self.has_only(&calls(words));
            }
            "must" => self.has(&calls(words)),
            "within" => self.has_only(&calls(words)),
            "not" => self.has_none(&calls(words)),
            "adds" => self.adds(&calls(words)),
            "baseline" | "code" | "options" => {}
            "must-or-gap" => {
                if !self.gaps(parse(&words[0])).is_empty() {
                    return;
                }
                self.has(&calls(&words[1..]));
            }
            "before-main" => self.in_phase(&calls(words), Phase::BeforeMain),
            "after-main" => self.in_phase(&calls(words), Phase::AfterMain),
            "layer" => self.in_layer(parse(&words[0]), &calls(&words[1..])),
            "gap" => self.has_gaps(words),
            "no-gap" => {
                let kinds: Vec<GapKind> = words.iter().map(|word| parse(word)).collect();
                self.has_no_gap(|gap| kinds.contains(&gap.kind));
            }
            "gaps" => self.has_no_gap(Gap::loses),
            "any" if words == ["none"] => self.has_no_gap(|gap| gap.kind == GapKind::AnyTarget),
            "any" => self.calls_any(&words[0], &words[1]),
            "argument" => self.argument(&words[0], &words[1], &words[2..]),
            "module" => self.module(&words[0], parse(&words[1])),
            "executes" => self.reports("executes", words),
            "opens" => self.reports("opens", words),
            "assumption" => {
                if !self.program.assumptions.iter().any(|text| text.contains(&words[0])) {
                    self.wrong(format!("states no assumption about {}", words[0]));
                }
            }
            _ => panic!("unknown directive {key}"),
        }
    }

    fn predicted(&self) -> BTreeSet<Sysno> {
        self.program.calls.keys().copied().collect()
    }

    fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    fn has(&mut self, calls: &BTreeSet<Sysno>) {
        for call in calls.difference(&self.predicted()) {
            self.wrong(format!("lacks {}", label(*call)));
        }
    }

    fn has_only(&mut self, calls: &BTreeSet<Sysno>) {
        let beyond: BTreeSet<Sysno> = self.predicted().difference(calls).copied().collect();
        self.has_none(&beyond);
    }

    fn has_none(&mut self, calls: &BTreeSet<Sysno>) {
        for call in calls {
            if let Some(predicted) = self.program.calls.get(call) {
                self.wrong(format!("has {}, by {}", label(*call), chain(&predicted.chain)));
            }
        }
    }

    fn adds(&mut self, calls: &BTreeSet<Sysno>) {
        let baseline = self.baseline.expect("`adds` without `baseline`");
        let wanted = baseline.calls.keys().copied().chain(calls.iter().copied()).collect();
        self.has(&wanted);
        self.has_only(&wanted);
    }

    fn call(&mut self, call: Sysno) -> Option<PredictedCall> {
        let predicted = self.program.calls.get(&call).cloned();
        if predicted.is_none() {
            self.wrong(format!("lacks {}", label(call)));
        }
        predicted
    }

    fn in_phase(&mut self, calls: &BTreeSet<Sysno>, phase: Phase) {
        for call in calls {
            let Some(predicted) = self.call(*call) else { continue };
            if predicted.phase != phase {
                self.wrong(format!("{} is {:?}, not {phase:?}", label(*call), predicted.phase));
            }
        }
    }

    fn in_layer(&mut self, layer: Layer, calls: &BTreeSet<Sysno>) {
        for call in calls {
            let Some(predicted) = self.call(*call) else { continue };
            if predicted.layer != layer {
                self.wrong(format!("{} is of {:?}, not {layer:?}", label(*call), predicted.layer));
            }
        }
    }

    fn gaps(&self, kind: GapKind) -> Vec<&Gap> {
        self.program.gaps.iter().filter(|gap| gap.kind == kind).collect()
    }

    fn has_gaps(&mut self, kinds: &[String]) {
        for kind in kinds {
            let gaps = self.gaps(parse(kind));
            // A library that is not there has no place; everything else has.
            let placed = |gap: &&Gap| gap.site.is_some() || gap.kind == GapKind::Module;
            if !gaps.iter().any(placed) {
                let found = if gaps.is_empty() { "no gap" } else { "no place of a gap" };
                self.wrong(format!("has {found} of kind {kind}"));
            }
        }
    }

    /// Indirect calls of the program itself whose targets are not narrowed.
    fn calls_any(&mut self, count: &str, function: &str) {
        let own = self.program.modules.first().map(|module| &module.path);
        let gaps = self.gaps(GapKind::AnyTarget);
        let gap = gaps.iter().find(|gap| gap.site.as_ref().map(|site| &site.module) == own);
        let found = gap.map_or_else(
            || "none".to_owned(),
            |gap| {
                let count = gap.what.split(' ').next().unwrap_or_default();
                let symbol = gap.site.as_ref().and_then(|site| site.symbol.as_deref());
                let symbol = symbol.unwrap_or_default().split('+').next().unwrap_or_default();
                format!("{count} {symbol}")
            },
        );
        if found != format!("{count} {function}") {
            self.wrong(format!("indirect calls to any function: {found}, not {count} {function}"));
        }
    }

    fn has_no_gap(&mut self, unwanted: impl Fn(&Gap) -> bool) {
        let found: Vec<String> = self
            .program
            .gaps
            .iter()
            .filter(|gap| unwanted(gap))
            .map(|gap| {
                format!("has a gap of {:?}: {}, by {}", gap.kind, gap.what, chain(&gap.chain))
            })
            .collect();
        self.wrong.extend(found);
    }

    fn argument(&mut self, call: &str, parameter: &str, values: &[String]) {
        let Some(predicted) = self.call(parse_call(call)) else { return };
        let found = predicted.arguments.get(parameter).cloned();
        let wanted = (values != ["unknown"])
            .then(|| values.iter().map(|value| value.parse().expect("a value")).collect());
        if found != wanted {
            self.wrong(format!("{call}: {parameter} is {found:?}, not {wanted:?}"));
        }
    }

    fn module(&mut self, name: &str, layer: Layer) {
        let mut modules = self.program.modules.iter();
        if !modules.any(|module| module.layer == layer && module.path.to_string().ends_with(name)) {
            self.wrong(format!("has no module {name} in layer {layer:?}"));
        }
    }

    fn reports(&mut self, what: &str, paths: &[String]) {
        let reported = match what {
            "executes" => &self.program.executes,
            _ => &self.program.opens,
        };
        let reported: BTreeSet<String> = reported.iter().map(ToString::to_string).collect();
        for path in paths.iter().filter(|path| !reported.contains(*path)) {
            self.wrong.push(format!("{what}: lacks {path}"));
        }
    }

    /// What holds for every analysis.
    pub fn is_coherent(&mut self, executable: &Path) {
        let modules: BTreeSet<String> =
            self.program.modules.iter().map(|module| module.path.to_string()).collect();
        let path = analysis::real(executable).display().to_string();
        if self.program.modules.first().is_none_or(|module| module.path.to_string() != path) {
            self.wrong(format!("the first module is not {path}"));
        }
        for (call, predicted) in &self.program.calls {
            let label = label(*call);
            if predicted.sites == 0 {
                self.wrong(format!("{label} has no site"));
            }
            let Some(last) = predicted.chain.last() else {
                self.wrong(format!("{label} has no chain"));
                continue;
            };
            if !modules.contains(&last.module.to_string()) {
                self.wrong(format!("{label}: its site is in {}, which is no module", last.module));
            } else if !is_call(Path::new(&last.module.to_string()), last.offset) {
                self.wrong(format!("{label}: no call at {}+{:#x}", last.module, last.offset));
            }
        }
    }
}

/// Whether the bytes at an offset of a file are those of `syscall`, `int $0x80` or `sysenter`.
fn is_call(module: &Path, offset: u64) -> bool {
    let bytes = fs::read(module).unwrap_or_default();
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let found = bytes.get(start..start.saturating_add(2));
    found.is_some_and(|found| matches!(found, [0x0f, 0x05] | [0xcd, 0x80] | [0x0f, 0x34]))
}

fn chain(sites: &[Site]) -> String {
    let links = sites.iter().map(|site| {
        let module = site.module.to_string();
        let module = module.rsplit('/').next().unwrap_or_default().to_owned();
        let symbol = site.symbol.as_ref().map_or(String::new(), |symbol| format!(" {symbol}"));
        format!("{module}+{:#x}{symbol}", site.offset)
    });
    links.collect::<Vec<_>>().join(" -> ")
}

fn calls(words: &[String]) -> BTreeSet<Sysno> {
    words.iter().map(|word| parse_call(word)).collect()
}

fn parse_call(word: &str) -> Sysno {
    let (arch, name) = word.split_once(':').unwrap_or((Arch::X86_64.name(), word));
    let arch = Arch::from_name(arch).unwrap_or_else(|| panic!("no architecture {arch}"));
    Sysno::from_name(arch, name).unwrap_or_else(|| panic!("no call {word}"))
}

/// A word of the documents' JSON.
fn parse<T: DeserializeOwned>(word: &str) -> T {
    serde_json::from_value(serde_json::Value::from(word))
        .unwrap_or_else(|error| panic!("{word}: {error}"))
}
