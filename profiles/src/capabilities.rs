//! `capabilities`: the least set, as Docker, Kubernetes, systemd and OCI runtimes take it.

use crate::Rendered;
use std::collections::{BTreeMap, BTreeSet};

/// The name on the command line.
pub const NAME: &str = "capabilities";

/// Writes the set in all four forms, with what asked for each.
pub fn render(capabilities: &BTreeMap<String, BTreeSet<String>>, notes: Vec<String>) -> Rendered {
    let mut out = String::new();
    for (name, reasons) in capabilities {
        for reason in reasons {
            out += &format!("# {name}: {reason}\n");
        }
    }
    let short: Vec<&str> =
        capabilities.keys().map(|name| name.trim_start_matches("CAP_")).collect();
    let full: Vec<&str> = capabilities.keys().map(String::as_str).collect();
    let quoted = |names: &[&str]| {
        names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    };
    let adds: String = short.iter().map(|name| format!(" --cap-add {name}")).collect();
    out += &format!("\n# Docker, Podman\n--cap-drop ALL{adds}\n");
    out +=
        "\n# Kubernetes, in a container\nsecurityContext:\n  capabilities:\n    drop: [\"ALL\"]\n";
    if !short.is_empty() {
        out += &format!("    add: [{}]\n", quoted(&short));
    }
    out += &format!("\n# systemd, in [Service]\nCapabilityBoundingSet={}\n", full.join(" "));
    let list = quoted(&full);
    out += &format!(
        "\n# OCI, process.capabilities of config.json\n{{\"bounding\": [{list}], \"effective\": \
         [{list}], \"permitted\": [{list}]}}\n"
    );
    Rendered { text: out.trim_start().to_owned(), notes }
}
