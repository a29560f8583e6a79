//! The file system: what stays writable, what stays visible, what may be executed.

use super::{Lines, Seen, seen};
use model::{
    Text,
    landlock::{FsRight, LandlockPolicy},
    trace::FileKind,
};
use std::collections::{BTreeMap, BTreeSet};

/// What PrivateDevices= leaves in /dev: systemd.exec(5).
const DEVICES: [&str; 17] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/pts",
    "/dev/ptmx",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/hugepages",
    "/dev/log",
    "/dev/fd",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/core",
];

pub(super) fn directives(
    seen: &Seen<'_>,
    landlock: &LandlockPolicy,
    capabilities: &BTreeMap<String, BTreeSet<String>>,
    lines: &mut Lines,
) {
    writable(seen, landlock, lines);
    home(seen, lines);
    if !seen.shares("/tmp") && !seen.shares("/var/tmp") {
        let reason = "in /tmp and /var/tmp runs used nothing but what they had made";
        lines.set(reason, "PrivateTmp", "yes");
    }
    devices(seen, capabilities, lines);
    processes(seen, lines);
    executable(seen, lines);
}

/// ProtectSystem= makes all read-only but /dev, /proc and /sys.
fn writable(seen: &Seen<'_>, landlock: &LandlockPolicy, lines: &mut Lines) {
    if landlock.handled_fs.is_empty() {
        return lines.note(format!(
            "ProtectSystem is left out: {}",
            landlock.notes.first().map_or("what runs wrote is not known", String::as_str)
        ));
    }
    lines.set("what runs changed is listed below", "ProtectSystem", "strict");
    let writes = |right: &FsRight| {
        !matches!(
            right,
            FsRight::Execute | FsRight::ReadFile | FsRight::ReadDir | FsRight::IoctlDev
        )
    };
    let mut paths = BTreeSet::new();
    for (place, rule) in &landlock.rules {
        if rule.rights.iter().any(writes) {
            paths.extend(landlock.absolute(place));
        }
    }
    // Landlock does not ask for changes of owners, modes and times.
    for (path, entry) in seen.files().filter(|(_, entry)| seen::changed(entry)) {
        let made = entry.found.contains(&FileKind::Absent);
        paths.extend((!made && path.as_bytes().starts_with(b"/")).then(|| path.clone()));
    }
    let api = ["/dev", "/proc", "/sys"];
    paths.retain(|path| !api.iter().any(|place| seen::at_or_below(path, place)));
    let private = |place: &&str| !seen.shares(place);
    let temporary: Vec<&str> =
        if private(&"/tmp") && private(&"/var/tmp") { vec!["/tmp", "/var/tmp"] } else { vec![] };
    paths.retain(|path| !temporary.iter().any(|place| seen::at_or_below(path, place)));
    let outer: Vec<&Text> = paths
        .iter()
        .filter(|path| {
            !paths.iter().any(|other| other != *path && seen::at_or_below(path, &other.to_string()))
        })
        .collect();
    let mut words = Vec::new();
    for path in outer {
        match unit_path(path) {
            // One that is not there is no error.
            Some(path) => words.push(format!("-{path}")),
            None => lines.note(format!("{path}: left out: a unit cannot name it")),
        }
    }
    if !words.is_empty() {
        lines.set_list(
            "changed by runs, or holds what they made",
            "ReadWritePaths",
            words.iter().map(String::as_str),
        );
    }
}

fn home(seen: &Seen<'_>, lines: &mut Lines) {
    const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
    if !HOMES.iter().any(|place| seen.uses(place)) {
        lines.set("no run used a home directory", "ProtectHome", "yes");
    } else if !HOMES.iter().any(|place| seen.changes(place)) {
        lines.set("runs changed nothing in home directories", "ProtectHome", "read-only");
    }
}

fn devices(seen: &Seen<'_>, capabilities: &BTreeMap<String, BTreeSet<String>>, lines: &mut Lines) {
    let other: BTreeSet<&Text> = seen
        .files()
        .filter(|(path, _)| seen::at_or_below(path, "/dev") && path.as_bytes() != b"/dev")
        .filter(|(path, _)| !DEVICES.iter().any(|known| seen::at_or_below(path, known)))
        .map(|(path, _)| path)
        .collect();
    let calls = ["iopl", "ioperm", "pciconfig_read", "pciconfig_write", "s390_pci_mmio_read"];
    let raw = ["CAP_MKNOD", "CAP_SYS_RAWIO"].iter().any(|name| capabilities.contains_key(*name));
    if other.is_empty() && !raw && !calls.iter().any(|call| seen.allows(call)) {
        lines.set("runs used no devices but null, random and their like", "PrivateDevices", "yes");
        return;
    }
    let of_device = |(path, entry): &(&Text, &model::policy::FileEntry)| {
        let device = [FileKind::CharDevice, FileKind::BlockDevice];
        other.contains(path) && device.iter().any(|kind| entry.found.contains(kind))
    };
    let mut allowed = BTreeMap::new();
    for (path, entry) in seen.files().filter(of_device) {
        let writes = entry.done.contains(&model::Access::Write);
        *allowed.entry(path).or_insert(false) |= writes;
    }
    if raw {
        return lines
            .note("PrivateDevices is left out: runs made devices or used ports".to_owned());
    }
    lines.set("the devices that runs used are listed below", "DevicePolicy", "closed");
    for (path, writes) in allowed {
        if let Some(path) = unit_path(path) {
            let value = format!("{path} {}", if writes { "rw" } else { "r" });
            lines.text += &format!("DeviceAllow={value}\n");
        }
    }
}

/// What is left of /proc.
fn processes(seen: &Seen<'_>, lines: &mut Lines) {
    let mut of_others = false;
    let mut of_system = false;
    for (path, _) in seen.files() {
        let Some(rest) = path.as_bytes().strip_prefix(b"/proc/") else { continue };
        let name = rest.split(|&byte| byte == b'/').next().unwrap_or_default();
        if name.iter().all(u8::is_ascii_digit) {
            // A process's own entry is named by its number where a link led there.
            of_others |= seen.policy.files.contains_key(path);
        } else if !matches!(name, b"self" | b"thread-self" | b"mounts") {
            of_system = true;
        }
    }
    if !of_others {
        lines.set("no run looked at processes of others", "ProtectProc", "invisible");
    }
    if !of_others && !of_system && !seen.lists("/proc") {
        lines.set("of /proc no run used more than its own processes", "ProcSubset", "pid");
    }
}

/// What was executed or mapped as code: the rest cannot be.
fn executable(seen: &Seen<'_>, lines: &mut Lines) {
    let mut paths = BTreeSet::new();
    for (path, program) in &seen.policy.programs {
        let at = if program.executed { path.clone() } else { path.parent() };
        match unit_path(&at) {
            Some(path) if path != "/" => {
                paths.insert(format!("-{path}"));
            }
            _ => return,
        }
    }
    if !seen.policy.programs.values().any(|program| program.executed) {
        return;
    }
    let outer: Vec<&str> = paths
        .iter()
        .filter(|path| {
            !paths.iter().any(|other| {
                other != *path
                    && path.strip_prefix(other.as_str()).is_some_and(|r| r.starts_with('/'))
            })
        })
        .map(String::as_str)
        .collect();
    lines.set(
        "what runs executed, and where their libraries are, is listed below",
        "NoExecPaths",
        "/",
    );
    let mut list = Lines::default();
    list.set_list("", "ExecPaths", outer);
    lines.text += list.text.trim_start_matches("\n# \n");
}

/// A path as a unit may hold it: `%` stands for itself twice, and the rest must need no quotes.
fn unit_path(path: &Text) -> Option<String> {
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:,=~%#".contains(c);
    (text.starts_with('/') && text.chars().all(plain)).then(|| text.replace('%', "%%"))
}
