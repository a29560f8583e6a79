//! `capabilities`: the least set, as Docker, Kubernetes, systemd and OCI runtimes take it.

use crate::{Rendered, kubernetes};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

/// The name on the command line.
pub const NAME: &str = "capabilities";

/// Who takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Words of a command line, for Podman too.
    Docker,
    /// `securityContext` of a container.
    Kubernetes,
    /// A line of a unit.
    Systemd,
    /// `process.capabilities` of a bundle's config.json.
    Oci,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 4] = [Form::Docker, Form::Kubernetes, Form::Systemd, Form::Oci];

    fn name(self) -> &'static str {
        match self {
            Form::Docker => "docker",
            Form::Kubernetes => "kubernetes",
            Form::Systemd => "systemd",
            Form::Oci => "oci",
        }
    }

    fn place(self) -> &'static str {
        match self {
            Form::Docker => "Docker, Podman",
            Form::Kubernetes => "Kubernetes, in a container",
            Form::Systemd => "systemd, in [Service]",
            Form::Oci => "OCI, process.capabilities of config.json",
        }
    }

    fn text(self, capabilities: &BTreeMap<String, BTreeSet<String>>) -> String {
        let full: Vec<&str> = capabilities.keys().map(String::as_str).collect();
        match self {
            Form::Docker => {
                let short = full.iter().map(|name| name.trim_start_matches("CAP_"));
                let adds: String = short.map(|name| format!(" --cap-add {name}")).collect();
                format!("--cap-drop ALL{adds}\n")
            }
            Form::Kubernetes => {
                let inside = kubernetes::container_capabilities(capabilities, "  ");
                format!("securityContext:\n{inside}")
            }
            Form::Systemd => format!("CapabilityBoundingSet={}\n", full.join(" ")),
            Form::Oci => {
                let quoted: Vec<String> = full.iter().map(|name| format!("\"{name}\"")).collect();
                let list = quoted.join(", ");
                format!(
                    "{{\"bounding\": [{list}], \"effective\": [{list}], \"permitted\": [{list}]}}\n"
                )
            }
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Form, String> {
        let found = Form::ALL.into_iter().find(|form| form.name() == text);
        found.ok_or_else(|| {
            let names = Form::ALL.map(Form::name).join(", ");
            format!("{text:?} is none of the forms of {NAME}: {names}")
        })
    }
}

/// Writes the set in one form alone, or in all with what asked for each.
pub fn render(
    capabilities: &BTreeMap<String, BTreeSet<String>>,
    form: Option<Form>,
    notes: Vec<String>,
) -> Rendered {
    if let Some(form) = form {
        return Rendered { text: form.text(capabilities), notes };
    }
    let mut out = String::new();
    for (name, reasons) in capabilities {
        for reason in reasons {
            out += &format!("# {name}: {}\n", crate::line(reason));
        }
    }
    for form in Form::ALL {
        out += &format!("\n# {}\n{}", form.place(), form.text(capabilities));
    }
    Rendered { text: out.trim_start().to_owned(), notes }
}
