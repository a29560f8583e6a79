//! What a prediction cannot resolve beside the numbers of system calls: names that are computed,
//! calls that lead nowhere known, bytes that are no code, and bounds that were reached. Memory that
//! is made executable is generated.rs, calls that are not narrowed unnarrowed.rs.

use super::report::{Report, sysno};
use crate::{
    decode::{ARGUMENTS, Reg},
    flow::Target,
    link::Place,
    numbers::Numbers,
    phases::Phases,
    reach::{Node, Reach, callee},
    value::Atom,
};
use model::analysis::{Gap, GapKind};

/// The functions that find code by a name, which of their arguments it is, and what is said when
/// it is computed (dlopen(3), dlsym(3)).
const FINDERS: [(&[u8], usize, &str); 4] = [
    (b"dlopen", 0, "a library is opened under a computed name"),
    (b"dlmopen", 1, "a library is opened under a computed name"),
    (b"dlsym", 1, "a symbol is looked up under a computed name"),
    (b"dlvsym", 1, "a symbol is looked up under a computed name"),
];

/// A loader that is started as a command may execute what it is given (glibc's does so with static
/// programs, elf/rtld.c); the kernel starts it for the program, and then there is nothing to execute.
const NOT_A_COMMAND: &str = "the dynamic loader is started by the kernel for the program, not as a command with the program as argument: it executes nothing under a computed name as it starts";

impl Report<'_> {
    /// Libraries and programs whose names are not in the code: what they do is not predicted.
    pub(super) fn computed_names(&mut self, phases: &Phases<'_>, numbers: &mut Numbers<'_>) {
        let reach = &phases.all;
        // Which argument is the name.
        let finders: Vec<(Place, Reg, &str)> = FINDERS
            .iter()
            .filter_map(|&(name, argument, what)| {
                Some((self.program.anywhere(name)?, ARGUMENTS[argument], what))
            })
            .collect();
        let held = |atoms: &[Atom]| {
            atoms.iter().all(|atom| matches!(atom, Atom::Address(_) | Atom::Const(0)))
        };
        for node in reach.live() {
            let (module, function) = reach.of(node);
            let facts = &self.program.scan(module).functions[function].facts;
            for call in &facts.calls {
                // A file's own stubs only pass the name on.
                let place = match call.target {
                    Target::Direct(stub) => self.program.stub(module, stub),
                    target => callee(self.program, module, target),
                };
                let finder = finders.iter().find(|finder| place == Some(finder.0));
                if let Some(&(_, name, what)) = finder
                    && facts.calls.len() > 1
                    && !held(&numbers.register(node, call.at, name))
                {
                    self.gap(reach, GapKind::DynamicName, node, call.at, what.to_owned());
                }
            }
            for site in &facts.sites {
                let executes = site.number.iter().any(|atom| match *atom {
                    Atom::Const(number) => sysno(site.entry, number)
                        .is_some_and(|sysno| matches!(sysno.name(), Some("execve" | "execveat"))),
                    _ => false,
                });
                if executes && phases.is_of_loader(node) {
                    self.assumptions.insert(NOT_A_COMMAND.to_owned());
                } else if executes && !numbers.is_held(node, &site.arguments[0]) {
                    let what = "a program is executed under a name that may be computed".to_owned();
                    self.gap(reach, GapKind::ExecName, node, site.at, what);
                }
            }
        }
    }

    /// Calls and jumps of which no target is known, and bytes that are no instructions where live
    /// code leads to.
    pub(super) fn unread(&mut self, reach: &Reach<'_>) {
        for node in reach.live() {
            let (module, function) = reach.of(node);
            let facts = &self.program.scan(module).functions[function].facts;
            for call in facts.calls.iter().filter(|call| call.target == Target::None) {
                let what = "an indirect call or jump leads where no target is known".to_owned();
                self.gap(reach, GapKind::NoTarget, node, call.at, what);
            }
            for &at in &facts.invalid {
                let what = "code leads to bytes that are no instruction".to_owned();
                self.gap(reach, GapKind::Code, node, at, what);
            }
        }
    }

    pub(super) fn gap(
        &mut self,
        reach: &Reach<'_>,
        kind: GapKind,
        node: Node,
        at: u64,
        what: String,
    ) {
        let site = Some(self.site(reach.of(node).0, at));
        let chain = self.chain(reach, &[(node, at)]);
        self.gaps.insert(Gap { kind, site, what, chain, arch: None });
    }

    /// Functions that were too large to be looked at whole.
    pub(super) fn bounds(&mut self, reach: &Reach<'_>) {
        for node in reach.live() {
            let (module, function) = reach.of(node);
            let function = &self.program.scan(module).functions[function];
            if function.facts.cut {
                let site = Some(self.site(module, function.entry));
                let what = "a function is too large to be looked at whole".to_owned();
                let gap = Gap { kind: GapKind::Bound, site, what, chain: Vec::new(), arch: None };
                self.gaps.insert(gap);
            }
        }
    }
}
