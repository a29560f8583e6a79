//! Addresses and ports.

use super::{Lines, Seen};
use model::trace::{Address, EndpointOperation};
use std::{collections::BTreeSet, net::IpAddr};

/// How many ports are listed one by one.
const PORTS: usize = 16;

pub(super) fn directives(seen: &Seen<'_>, lines: &mut Lines) {
    let endpoints = &seen.policy.endpoints;
    let all = || {
        endpoints
            .iter()
            .flat_map(|(operation, entries)| entries.iter().map(move |entry| (*operation, entry)))
    };
    let mut hosts = BTreeSet::new();
    let mut local = true;
    let mut abstract_names = false;
    for (operation, entry) in all() {
        match &entry.address {
            Address::Inet { host, .. } => {
                hosts.insert(host.as_str());
                // Bound to any address, it may be reached from anywhere.
                let ip = host.parse::<IpAddr>();
                local &= ip.is_ok_and(|ip| ip.is_loopback());
            }
            Address::Abstract { .. } => abstract_names |= operation != EndpointOperation::Bind,
            _ => {}
        }
    }
    let families = ["socket", "socketpair"].iter().any(|call| seen.allows(call));
    let network = seen
        .observed_values("socket", "domain")
        .is_none_or(|domains| domains.iter().any(|domain| *domain != 1));
    if !families || !network && !abstract_names {
        let reason = "no run used a socket other than for processes of this machine";
        lines.set(reason, "PrivateNetwork", "yes");
    } else if local {
        lines.set("runs used addresses of this machine only", "IPAddressDeny", "any");
        if !hosts.is_empty() {
            lines.text += "IPAddressAllow=localhost\n";
        }
    }
    ports(seen, lines);
}

fn ports(seen: &Seen<'_>, lines: &mut Lines) {
    if !seen.allows("bind") {
        return;
    }
    let mut ports = BTreeSet::new();
    let bound = seen.policy.endpoints.get(&EndpointOperation::Bind);
    for entry in bound.into_iter().flatten() {
        let Address::Inet { port, .. } = entry.address else { continue };
        let protocol = match entry.socket.as_deref() {
            Some("stream") => "tcp:",
            Some("datagram") => "udp:",
            _ => "",
        };
        if port == 0 {
            return lines
                .note("SocketBindDeny is left out: a run let the kernel choose a port".to_owned());
        }
        ports.insert(format!("{protocol}{port}"));
    }
    if ports.len() > PORTS {
        return lines.note("SocketBindDeny is left out: runs bound many ports".to_owned());
    }
    lines.set("runs bound no ports but those listed below", "SocketBindDeny", "any");
    for port in ports {
        lines.text += &format!("SocketBindAllow={port}\n");
    }
}
