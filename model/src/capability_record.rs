//! What was learned of capabilities beside what calls ask for: what the kernel was asked, and what
//! came of running the command without them.

use crate::serial::is_zero;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one run, and its repetitions, taught of capabilities. Names are as `CAP_NET_RAW`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRecord {
    /// How often the kernel was asked whether a process of the run has it, where that was measured.
    /// A check is not a need: mmap(2) always asks for CAP_SYS_ADMIN.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checked: BTreeMap<String, Checked>,
    /// Checks that the kernel's buffer had no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
    /// Why it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmeasured: Option<String>,
    /// Whether the command did the same without it, where that was tried.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub confirmed: BTreeMap<String, Confirmed>,
}

/// How checks of one capability went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// The process had it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub granted: u64,
    /// It had not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub denied: u64,
}

/// What came of running the command without a capability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// Whether it is needed.
    pub need: Need,
    /// How that showed, or why it did not.
    pub reason: String,
}

/// Whether a capability is needed; what speaks more for it is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Without it the command did the same.
    NotNeeded,
    /// The command does not do the same each time, so that nothing follows.
    Unknown,
    /// Without it the command did something else.
    Needed,
}
