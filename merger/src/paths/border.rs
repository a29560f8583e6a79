//! What crosses the border of a sandbox: ports, abstract sockets, signals.

use model::{
    KillTarget, Policy,
    landlock::{NetRight, Scope},
    policy::EndpointEntry,
    trace::{Address, EndpointOperation},
};
use std::collections::{BTreeMap, BTreeSet};

/// The TCP ports that runs bound and connected to.
pub(super) fn ports(policy: &Policy) -> BTreeMap<u16, BTreeSet<NetRight>> {
    let mut ports = BTreeMap::<u16, BTreeSet<NetRight>>::new();
    for (operation, right) in [
        (EndpointOperation::Bind, NetRight::BindTcp),
        (EndpointOperation::Connect, NetRight::ConnectTcp),
        // A first send may connect too: TCP Fast Open.
        (EndpointOperation::Send, NetRight::ConnectTcp),
    ] {
        for entry in policy.endpoints.get(&operation).into_iter().flatten() {
            if let Some(port) = tcp_port(entry) {
                ports.entry(port).or_default().insert(right);
            }
        }
    }
    ports
}

/// A port that the kernel chose for a run, and to which the run connected: the next time it is
/// another, and a rule cannot say which.
pub(super) fn chosen_port(policy: &Policy) -> Option<u16> {
    let ports = |operation| -> BTreeSet<u16> {
        let entries: Vec<&EndpointEntry> =
            policy.endpoints.get(&operation).into_iter().flatten().collect();
        entries.into_iter().filter_map(tcp_port).collect()
    };
    let bound = ports(EndpointOperation::Bind);
    let listened = ports(EndpointOperation::Listen);
    let connected = ports(EndpointOperation::Connect);
    listened.into_iter().find(|port| !bound.contains(port) && connected.contains(port))
}

fn tcp_port(entry: &EndpointEntry) -> Option<u16> {
    match entry.address {
        Address::Inet { port, .. }
            if entry.socket.as_deref().is_none_or(|socket| socket == "stream") =>
        {
            Some(port)
        }
        _ => None,
    }
}

/// The borders that no run crossed.
pub(super) fn scopes(policy: &Policy) -> BTreeSet<Scope> {
    let mut scopes = BTreeSet::new();
    if !reaches_abstract(policy) {
        scopes.insert(Scope::AbstractUnixSocket);
    }
    if !signals_outside(policy) {
        scopes.insert(Scope::Signal);
    }
    scopes
}

/// Whether a run used an abstract address that it had not bound itself.
fn reaches_abstract(policy: &Policy) -> bool {
    let names = |operation| {
        let entries: Vec<&EndpointEntry> =
            policy.endpoints.get(&operation).into_iter().flatten().collect();
        entries.into_iter().filter_map(|entry| match &entry.address {
            Address::Abstract { name } => Some(name.clone()),
            _ => None,
        })
    };
    let bound: BTreeSet<_> = names(EndpointOperation::Bind).collect();
    names(EndpointOperation::Connect)
        .chain(names(EndpointOperation::Send))
        .any(|name| !bound.contains(&name))
}

/// Whether a run may have sent a signal to a process outside of it.
fn signals_outside(policy: &Policy) -> bool {
    const SENDERS: [&str; 6] =
        ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"];
    policy.calls.iter().any(|(sysno, entry)| {
        let Some(observed) = &entry.origins.observed else { return false };
        if !sysno.name().is_some_and(|name| SENDERS.contains(&name)) {
            return false;
        }
        let Some(arguments) = &observed.arguments else { return true };
        let target = arguments
            .names
            .iter()
            .position(|name| matches!(name.as_str(), "target" | "pid" | "tgid" | "tid"));
        let inside = [KillTarget::Own as u64, KillTarget::Traced as u64];
        match target {
            Some(at) if !arguments.many => {
                arguments.values.iter().any(|row| !inside.contains(&row[at]))
            }
            _ => true,
        }
    })
}
