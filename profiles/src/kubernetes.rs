//! `kubernetes`: a SeccompProfile of the Security Profiles Operator, and the securityContext that uses
//! it. Versions of the operator before 1.0 know v1beta1 only, later ones convert it.
//!
//! The kind has no `defaultErrnoRet`: unknown calls answer EPERM. Its numbers are signed, so that of a
//! 64-bit comparison the highest bit is left out.

use crate::{
    Error, Options, Rendered,
    seccomp::{Arg, Profile, Syscalls},
};
use model::{Policy, trace::Mark};
use std::collections::{BTreeMap, BTreeSet};

/// The name on the command line.
pub const NAME: &str = "kubernetes";

/// Writes the profile, named after the program, and the context.
///
/// # Errors
/// When nothing could run under the profile.
pub fn render(
    policy: &Policy,
    options: &Options,
    capabilities: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Rendered, Error> {
    let Profile { seccomp, mut notes } = Profile::of(policy, options);
    if !seccomp.allows_anything() {
        return Err(Error::Empty { format: NAME });
    }
    let name = object_name(policy);
    let mut out = format!(
        "apiVersion: security-profiles-operator.x-k8s.io/v1beta1\nkind: SeccompProfile\nmetadata:\n  \
         name: {name}\nspec:\n  defaultAction: {}\n  architectures:\n",
        seccomp.default_action
    );
    for arch in &seccomp.architectures {
        out += &format!("  - {arch}\n");
    }
    out += "  syscalls:\n";
    let mut cut = false;
    for entry in &seccomp.syscalls {
        out += &syscalls(entry, &mut cut);
    }
    notes.push("calls that this profile does not know answer EPERM, not ENOSYS".to_owned());
    if cut {
        notes.push("of 64-bit comparisons the highest bit is not compared".to_owned());
    }
    out += &format!(
        "---\n# In a container of the pod; below 1.0 the profile's namespace stands before its name:\n\
         # operator/NAMESPACE/{name}.json\nsecurityContext:\n  seccompProfile:\n    type: Localhost\n    \
         localhostProfile: operator/{name}.json\n"
    );
    out += match gains_privileges(policy) {
        true => {
            "  # A run executed a program that gives privileges.\n  allowPrivilegeEscalation: true\n"
        }
        false => "  allowPrivilegeEscalation: false\n",
    };
    out += &container_capabilities(capabilities, "  ");
    Ok(Rendered { text: out, notes })
}

/// `capabilities` of a securityContext.
pub(crate) fn container_capabilities(
    capabilities: &BTreeMap<String, BTreeSet<String>>,
    indent: &str,
) -> String {
    let mut out = format!("{indent}capabilities:\n{indent}  drop: [\"ALL\"]\n");
    if !capabilities.is_empty() {
        let short: Vec<String> = capabilities
            .keys()
            .map(|name| format!("\"{}\"", name.trim_start_matches("CAP_")))
            .collect();
        out += &format!("{indent}  add: [{}]\n", short.join(", "));
    }
    out
}

fn syscalls(entry: &Syscalls, cut: &mut bool) -> String {
    let mut out = String::new();
    if let Some(comment) = &entry.comment {
        out += &format!("  # {comment}\n");
    }
    out += &format!("  - action: {}\n", entry.action);
    if let Some(errno) = entry.errno_ret {
        out += &format!("    errnoRet: {errno}\n");
    }
    if !entry.args.is_empty() {
        out += "    args:\n";
    }
    for arg in &entry.args {
        let Arg { index, value, value_two, op } = signed(arg, cut);
        out += &format!("    - index: {index}\n      op: {op}\n      value: {value}\n");
        if let Some(value) = value_two {
            out += &format!("      valueTwo: {value}\n");
        }
    }
    out += "    names:\n";
    for name in &entry.names {
        out += &format!("    - {name}\n");
    }
    out
}

/// The comparison in numbers that are not negative.
fn signed(arg: &Arg, cut: &mut bool) -> Arg {
    const MOST: u64 = i64::MAX as u64;
    let fits = |value: u64| value <= MOST;
    if fits(arg.value) && arg.value_two.is_none_or(fits) {
        return arg.clone();
    }
    *cut = true;
    match (arg.op, arg.value_two) {
        ("SCMP_CMP_EQ", _) => {
            Arg { op: "SCMP_CMP_MASKED_EQ", value: MOST, value_two: Some(arg.value & MOST), ..*arg }
        }
        (_, two) => Arg { value: arg.value & MOST, value_two: two.map(|two| two & MOST), ..*arg },
    }
}

fn gains_privileges(policy: &Policy) -> bool {
    let observed = policy.calls.values().filter_map(|entry| entry.origins.observed.as_ref());
    observed.flat_map(|observed| &observed.marks).any(|mark| *mark == Mark::GainsPrivileges)
}

/// The program's name as Kubernetes takes names: RFC 1123.
fn object_name(policy: &Policy) -> String {
    let commands = policy.evidence.values().filter_map(|piece| piece.command.first());
    let name = commands.map(|word| word.base_name()).min().unwrap_or_default();
    let mut out = String::new();
    for byte in name.bytes().take(50) {
        match byte.to_ascii_lowercase() {
            byte @ (b'a'..=b'z' | b'0'..=b'9') => out.push(char::from(byte)),
            _ if out.ends_with('-') || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "program".to_owned() } else { out.to_owned() }
}
