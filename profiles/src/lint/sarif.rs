//! Findings in SARIF 2.1.0, the form that code-scanning services take.

use super::{Finding, checks};
use serde_json::{Value, json};

/// A log with one run. `uri` is where the profile is, relative or absolute, as the service knows it.
pub fn sarif(findings: &[Finding], uri: &str, version: &str) -> Value {
    let rules: Vec<Value> = checks()
        .iter()
        .map(|check| {
            json!({
                "id": check.id,
                "shortDescription": {"text": check.title},
                "fullDescription": {"text": check.reason},
                "defaultConfiguration": {"level": check.severity.name()},
            })
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, uri)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "profgen", "version": version, "rules": rules}},
            "results": results,
        }],
    })
}

fn result(finding: &Finding, uri: &str) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": {"uri": uri_of(uri)},
            "region": {"startLine": finding.line.unwrap_or(1)},
        },
    });
    if let Some(position) = finding.entry {
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": format!("syscalls[{position}]"), "kind": "element"}]);
    }
    let index = checks().iter().position(|check| check.id == finding.check.id);
    json!({
        "ruleId": finding.check.id,
        "ruleIndex": index,
        "level": finding.check.severity.name(),
        "message": {"text": format!("{}: {}", finding.check.title, finding.message)},
        "locations": [location],
        "partialFingerprints": {
            "profgen/v1": format!("{}:{}", finding.check.id, finding.names.join(",")),
        },
    })
}

/// A path as a relative or absolute URI reference: what is not plain in it is percent-encoded.
fn uri_of(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"/._-~+".contains(&byte);
        if plain { out.push(char::from(byte)) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(uri_of("a b/c#1.json"), "a%20b/c%231.json");
    }
}
