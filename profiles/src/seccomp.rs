//! The OCI seccomp profile that all its dialects share.
//!
//! What is not allowed is denied so that libc and the program fall back as they do on an old
//! kernel: the default answers ENOSYS, which is right for a call that this program never heard of;
//! known calls that are not needed answer EPERM by an entry of their own. Engines that drop
//! `defaultErrnoRet` answer EPERM by default, so the calls from which libc falls back only on
//! ENOSYS have an entry too.
//!
//! A call with argument rules gets entries for the arguments that are allowed and no other: an
//! unconditional entry would swallow them in libseccomp, and the complement of a set of rules can
//! rarely be written without comparing one argument twice. So other arguments get the default
//! answer.

use crate::{
    Error, Options, Rendered,
    needs::{Allowed, Need, Needs, needs},
    runtime::Runtime,
};
use model::{
    Arch, ArgCmp, Call, CmpOp, Policy, Rule,
    errno::{ENOSYS, EPERM},
    fallback,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

const ALLOW: &str = "SCMP_ACT_ALLOW";
const ERRNO: &str = "SCMP_ACT_ERRNO";

/// The profile, and what it could not hold.
pub(crate) struct Profile {
    pub(crate) seccomp: Seccomp,
    pub(crate) notes: Vec<String>,
}

/// `linux.seccomp` of the runtime-spec.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seccomp {
    pub(crate) default_action: &'static str,
    default_errno_ret: u16,
    pub(crate) architectures: Vec<&'static str>,
    pub(crate) syscalls: Vec<Syscalls>,
}

/// One entry of `syscalls`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Syscalls {
    /// Docker's and Podman's; the plain form has no place for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) action: &'static str,
    // crun refuses it beside SCMP_ACT_ALLOW.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errno_ret: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) args: Vec<Arg>,
}

/// One comparison.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arg {
    pub(crate) index: u8,
    pub(crate) value: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value_two: Option<u64>,
    pub(crate) op: &'static str,
}

impl Seccomp {
    /// Whether it allows any call.
    pub(crate) fn allows_anything(&self) -> bool {
        self.syscalls.iter().any(|entry| entry.action == ALLOW)
    }
}

impl From<&ArgCmp> for Arg {
    fn from(comparison: &ArgCmp) -> Arg {
        // For MASKED_EQ the first value is the mask.
        let (value, value_two) = match comparison.op() {
            CmpOp::MaskedEq => (comparison.mask(), Some(comparison.value())),
            _ => (comparison.value(), None),
        };
        Arg { index: comparison.index(), value, value_two, op: written(comparison.op()) }
    }
}

/// As the schema has it.
pub(crate) fn written(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Eq => "SCMP_CMP_EQ",
        CmpOp::Ne => "SCMP_CMP_NE",
        CmpOp::Lt => "SCMP_CMP_LT",
        CmpOp::Le => "SCMP_CMP_LE",
        CmpOp::Ge => "SCMP_CMP_GE",
        CmpOp::Gt => "SCMP_CMP_GT",
        CmpOp::MaskedEq => "SCMP_CMP_MASKED_EQ",
    }
}

impl Profile {
    /// The profile that allows what `policy` and the runtimes of `options` need.
    pub(crate) fn of(policy: &Policy, options: &Options) -> Profile {
        let Needs { arches, calls, mut notes } = needs(policy, options);
        notes.extend(limits(&arches, &calls, options));

        // Need first, so that what is the program's own and what is not stand apart.
        let mut allowed: BTreeMap<(Need, Option<&Rule>), Vec<&'static str>> = BTreeMap::new();
        for (name, how) in &calls {
            match how {
                Allowed::Any(need) => allowed.entry((*need, None)).or_default().push(name),
                Allowed::If(rules) => {
                    for (rule, need) in rules {
                        allowed.entry((*need, Some(rule))).or_default().push(name);
                    }
                }
            }
        }
        let mut syscalls: Vec<Syscalls> = allowed
            .into_iter()
            .map(|((need, rule), names)| Syscalls {
                comment: Some(reason(need, rule, options)),
                names,
                action: ALLOW,
                errno_ret: None,
                args: rule.map_or_else(Vec::new, |rule| {
                    rule.comparisons().iter().map(Arg::from).collect()
                }),
            })
            .collect();

        let (without, known) = denied(&arches, &calls);
        for (names, errno, comment) in [
            (known, EPERM, "not needed"),
            (without, ENOSYS, "not needed, and libc does without only where the kernel lacks them"),
        ] {
            if !names.is_empty() {
                let comment = Some(comment.to_owned());
                syscalls.push(Syscalls {
                    comment,
                    names,
                    action: ERRNO,
                    errno_ret: Some(errno),
                    args: vec![],
                });
            }
        }
        let seccomp = Seccomp {
            default_action: ERRNO,
            default_errno_ret: ENOSYS,
            architectures: arches.iter().map(|arch| arch.oci_name()).collect(),
            syscalls,
        };
        Profile { seccomp, notes }
    }

    /// The same in the plain form.
    pub(crate) fn without_comments(mut self) -> Profile {
        for entry in &mut self.seccomp.syscalls {
            entry.comment = None;
        }
        self
    }

    /// The file.
    pub(crate) fn rendered(self, format: &'static str) -> Result<Rendered, Error> {
        if !self.seccomp.allows_anything() {
            return Err(Error::Empty { format });
        }
        let mut text = serde_json::to_string_pretty(&self.seccomp)
            .map_err(|source| Error::Json { format, source })?;
        text.push('\n');
        Ok(Rendered { text, notes: self.notes })
    }
}

fn reason(need: Need, rule: Option<&Rule>, options: &Options) -> String {
    let reason = match need {
        Need::Observed => "made by the program".to_owned(),
        Need::Predicted => "within reach of the program's code; no run made them".to_owned(),
        Need::Decided => "allowed by decision".to_owned(),
        Need::Variant => {
            "of the same power: another libc makes them instead of those of the program".to_owned()
        }
        Need::Implied => {
            "made by no instruction of the program: signal return, restart, the vDSO".to_owned()
        }
        Need::Runtime => format!("needed by {} to start the program, not by it", starters(options)),
    };
    match rule {
        Some(rule) => format!("{reason}; only with {rule}"),
        None => reason,
    }
}

/// The container runtimes, by name; a policy may also have such entries of its own.
fn starters(options: &Options) -> String {
    let names: BTreeSet<&str> =
        options.runtimes.iter().map(|target| target.runtime.name()).collect();
    match names.len() {
        0 => "a container runtime".to_owned(),
        _ => Vec::from_iter(names).join(" or "),
    }
}

/// The calls of the architectures that are not allowed: those of which libc must believe that the
/// kernel lacks them, and all others.
fn denied(
    arches: &BTreeSet<Arch>,
    allowed: &BTreeMap<&'static str, Allowed>,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut names: Vec<&'static str> = Call::all()
        .iter()
        .filter(|call| arches.iter().any(|arch| call.number(*arch).is_some()))
        .map(|call| call.name)
        .filter(|name| !allowed.contains_key(name))
        .collect();
    names.sort_unstable();
    names.into_iter().partition(|name| fallback::wants_enosys(name))
}

/// What every such profile leaves open or does not say.
fn limits(
    arches: &BTreeSet<Arch>,
    calls: &BTreeMap<&'static str, Allowed>,
    options: &Options,
) -> Vec<String> {
    let mut notes = Vec::new();
    let of_the_program = |allowed: &Allowed| match allowed {
        Allowed::Any(_) => false,
        Allowed::If(rules) => rules.values().any(|need| *need != Need::Runtime),
    };
    let ruled: Vec<&str> = calls
        .iter()
        .filter(|(_, allowed)| of_the_program(allowed))
        .map(|(name, _)| *name)
        .collect();
    if !ruled.is_empty() {
        notes.push(format!(
            "with other arguments these answer ENOSYS, not EPERM: {}",
            ruled.join(", ")
        ));
    }
    if arches.contains(&Arch::I386) && calls.contains_key("socketcall") && ruled.contains(&"socket")
    {
        notes.push(
            "i386: socketcall is allowed and makes any socket, whatever the rules of socket say"
                .to_owned(),
        );
    }
    let runc = options.runtimes.iter().any(|target| target.runtime == Runtime::Runc);
    if arches.contains(&Arch::Riscv64) && runc {
        notes.push("riscv64: runc before 1.2 refuses this architecture".to_owned());
    }
    notes
}
