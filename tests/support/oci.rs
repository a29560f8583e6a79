//! Runs workloads under runc and crun: the root file system is the host's own, so the programs are the same.
//!
//! Only the mount namespace is private: the test's servers stay reachable, and process numbers stay the host's.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::run::{Ran, Scene};
use super::{is_root, missing, status_field};

/// The capabilities in the order of their numbers (linux/capability.h), without `CAP_`.
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID \
    SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER \
    SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE \
    SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN \
    SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

/// Makes the bundle's root file system a view of `/`, and runs `$0` there.
///
/// crun 1.8 knows cgroups of version 2 only: where the machine has version 1, it is shown a tree of version 2,
/// which runc must not see, as it would take it for the whole.
pub const START: &str = r#"
mount --rbind / "$1/rootfs" || exit 125
if [ "$0" = crun ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 none /sys/fs/cgroup || exit 125
fi
cd "$1" && exec "$0" --root "$1/state" run "$2"
"#;

/// Why this runtime cannot be used here, worded for [`super::skip`].
pub fn obstacle(runtime: &str) -> Option<String> {
    if !is_root() {
        return Some(format!("not root, which {runtime} is run as"));
    }
    missing([runtime, "unshare", "mount", "namespaces"])
}

/// Runs the workload, behind the words of `prefix`, as the only process of a container.
pub fn run(
    runtime: &str,
    scene: &Scene<'_>,
    seccomp: &Value,
    no_new_privileges: bool,
    prefix: &[&str],
) -> Ran {
    let bundle =
        tempfile::Builder::new().prefix("profgen-oci-").tempdir().expect("make a directory");
    for directory in ["rootfs", "state"] {
        fs::create_dir(bundle.path().join(directory)).expect("make a directory");
    }
    let mut arguments = prefix.to_vec();
    arguments.extend(scene.command.iter().map(String::as_str));
    let config = config(scene, &arguments, seccomp, no_new_privileges);
    let text = serde_json::to_string_pretty(&config).expect("serialize config.json");
    fs::write(bundle.path().join("config.json"), text).expect("write config.json");

    let path = bundle.path().display().to_string();
    let words = ["unshare", "-m", "sh", "-c", START, runtime, &path, &container_id(bundle.path())];
    scene.finish(scene.run_words(&words.map(str::to_owned)))
}

fn config(
    scene: &Scene<'_>,
    arguments: &[&str],
    seccomp: &Value,
    no_new_privileges: bool,
) -> Value {
    let environment: Vec<String> =
        scene.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let capabilities = capabilities();
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs", "readonly": false},
        "process": {
            "terminal": false,
            "user": {"uid": 0, "gid": 0},
            "args": arguments,
            "env": environment,
            "cwd": scene.directory.path(),
            "noNewPrivileges": no_new_privileges,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        // Both are in the root file system already; said so, the runtimes leave the nodes in /dev alone.
        "mounts": [
            {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind", "rw"]},
            {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind", "rw"]},
        ],
        "linux": {"namespaces": [{"type": "mount"}], "seccomp": seccomp},
    })
}

/// Those that this process has: a machine may keep some even from root, and a runtime cannot give them.
fn capabilities() -> Vec<String> {
    let effective =
        u64::from_str_radix(&status_field("CapEff:"), 16).expect("CapEff is hexadecimal");
    let names = CAPABILITIES.split_whitespace().enumerate();
    let held = names.filter(|(bit, _)| effective >> bit & 1 == 1);
    held.map(|(_, name)| format!("CAP_{name}")).collect()
}

/// Unique, as it names cgroups of the machine.
fn container_id(bundle: &Path) -> String {
    bundle.file_name().expect("directory name").to_string_lossy().into_owned()
}
