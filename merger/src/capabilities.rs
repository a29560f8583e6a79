//! The Linux capabilities that what runs did may have needed.

use model::{
    Decision, Policy, Subject, Verdict, capability,
    trace::{Address, EndpointOperation},
};
use std::collections::{BTreeMap, BTreeSet};

/// Ports below this one are the privileged ones, where ip_unprivileged_port_start was not changed:
/// ip(7).
const PRIVILEGED_PORTS: u16 = 1024;

/// The capabilities, by name, each with what asked for it.
///
/// Whose the files were is not in the record, so that CAP_DAC_OVERRIDE and its like are not
/// suggested: see [`FILES`].
pub fn capabilities(policy: &Policy) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for (sysno, entry) in &policy.calls {
        let (Some(observed), Some(name)) = (&entry.origins.observed, sysno.name()) else {
            continue;
        };
        for (capability, reason) in capability::asked(name, observed.arguments.as_ref()) {
            let why = format!("{name}: {reason}");
            found.entry(capability.to_owned()).or_default().insert(why);
        }
    }
    for entry in policy.endpoints.get(&EndpointOperation::Bind).into_iter().flatten() {
        if let Address::Inet { port: port @ 1..PRIVILEGED_PORTS, .. } = entry.address {
            let why = format!("bind: takes port {port}, which is below {PRIVILEGED_PORTS}");
            found.entry("CAP_NET_BIND_SERVICE".to_owned()).or_default().insert(why);
        }
    }
    for (subject, Decision { verdict, reason }) in &policy.decisions {
        let Subject::Capability(name) = subject else { continue };
        match verdict {
            Verdict::Deny => {
                found.remove(name);
            }
            Verdict::Allow => {
                found.entry(name.clone()).or_default().insert(format!("decided: {reason}"));
            }
        }
    }
    found
}

/// What every list of capabilities leaves open.
pub const FILES: &str = "whose the files were is not in the record: a program that uses files of \
                         others as root needs CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE besides \
                         (profgen decide)";
