//! What was typed for the engine: its options as `docker run` takes them, then the image and its
//! command. Most options are passed on unread; here is what decides how the container is recorded.

use anyhow::{Context, bail};
use std::ffi::{OsStr, OsString};

/// Options that take no value, of `docker run` 28 and `podman run` 5; all others take one.
const FLAGS: [&str; 31] = [
    "--detach",
    "--disable-content-trust",
    "--env-host",
    "--help",
    "--http-proxy",
    "--init",
    "--interactive",
    "--no-healthcheck",
    "--no-hostname",
    "--no-hosts",
    "--oom-kill-disable",
    "--passwd",
    "--privileged",
    "--publish-all",
    "--quiet",
    "--read-only",
    "--read-only-tmpfs",
    "--replace",
    "--rm",
    "--rmi",
    "--rootfs",
    "--sig-proxy",
    "--tls-verify",
    "--tty",
    "--unsetenv-all",
    "--use-api-socket",
    "-P",
    "-d",
    "-i",
    "-q",
    "-t",
];

/// Options of runc and crun that take no value; they stand before the command, as `--root DIR` does.
const RUNTIME_FLAGS: [&str; 2] = ["--debug", "--systemd-cgroup"];

/// profgen's own, for those who write them too late.
const OWN: [&str; 9] = [
    "-o",
    "--engine",
    "--output",
    "--for",
    "--until-healthy",
    "--exercise",
    "--tracer",
    "--no-verify",
    "--no-static",
];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The options that are passed on.
    pub options: Vec<OsString>,
    /// `--entrypoint`, which stands in for the image's.
    pub entrypoint: Option<OsString>,
    /// The image, or the directory of a bundle.
    pub image: OsString,
    /// What follows the image.
    pub words: Vec<OsString>,
    /// Whether the container has a terminal.
    pub tty: bool,
    /// Whether its standard input is profgen's.
    pub interactive: bool,
    /// Whether the engine puts a small init before the command.
    pub init: bool,
    /// Whether the runtime sets no_new_privs.
    pub no_new_privileges: bool,
    /// The runtime, where it is not the engine's usual one.
    pub runtime: Option<String>,
    /// `--health-cmd`.
    pub health: Option<String>,
    /// Whether the image's health check does not run.
    pub no_health: bool,
}

impl Asked {
    /// Reads the words behind profgen's own options, for an engine or for a plain runtime.
    ///
    /// # Errors
    /// When there is no image, or an option that contradicts a recording.
    pub fn read(words: &[OsString], plain: bool) -> anyhow::Result<Asked> {
        let mut asked = Asked::default();
        let mut words = words.iter();
        let image = loop {
            let word = words.next().context("no image is named")?;
            match word.to_str() {
                Some("--") => break words.next().context("no image is named after --")?,
                Some(option) if option.starts_with('-') => {
                    let flags = if plain { &RUNTIME_FLAGS[..] } else { &FLAGS[..] };
                    let value = match takes_value(option, flags) {
                        true => {
                            let missing = || format!("the option {option} has no value");
                            Some(words.next().with_context(missing)?)
                        }
                        false => None,
                    };
                    asked.option(option, value)?;
                }
                _ => break word,
            }
        };
        asked.image = image.clone();
        asked.words = words.cloned().collect();
        Ok(asked)
    }

    fn option(&mut self, option: &str, value: Option<&OsString>) -> anyhow::Result<()> {
        let (name, inline) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        if OWN.contains(&name) {
            bail!("{name} is an option of profgen's: put it before those of the engine");
        }
        let text = || inline.or_else(|| value.and_then(|value| value.to_str())).unwrap_or_default();
        let on = inline.is_none_or(|value| matches!(value, "true" | "1" | "t" | "T" | "TRUE"));
        match name {
            // Removed in any case, once its files have been read.
            "--rm" => return Ok(()),
            "--detach" | "--restart" | "--cidfile" | "--rmi" | "--rootfs" => {
                bail!("{name} cannot be had while a container is recorded");
            }
            "--entrypoint" => {
                self.entrypoint = Some(OsString::from(text()));
                return Ok(());
            }
            "--init" => {
                self.init = on;
                return Ok(());
            }
            "--tty" => self.tty = on,
            "--interactive" => self.interactive = on,
            "--security-opt" => {
                let no_new_privileges =
                    matches!(text(), "no-new-privileges" | "no-new-privileges:true")
                        || text() == "no-new-privileges=true";
                self.no_new_privileges |= no_new_privileges;
            }
            "--runtime" => self.runtime = Some(text().to_owned()),
            "--health-cmd" => self.health = Some(text().to_owned()),
            "--no-healthcheck" => self.no_health = on,
            _ if is_cluster(option) => {
                if option.contains('d') {
                    bail!("-d cannot be had while a container is recorded");
                }
                self.tty |= option.contains('t');
                self.interactive |= option.contains('i');
            }
            _ => {}
        }
        self.options.push(option.into());
        self.options.extend(value.cloned());
        Ok(())
    }
}

fn takes_value(option: &str, flags: &[&str]) -> bool {
    if option.contains('=') || flags.contains(&option) || is_cluster(option) {
        return false;
    }
    // `-eNAME=value`, `-u1000`: the value is there.
    option.starts_with("--") || option.len() == 2
}

/// Short options without values in one word: `-it`.
fn is_cluster(option: &str) -> bool {
    let letters = option.strip_prefix('-').unwrap_or_default();
    !letters.is_empty() && letters.bytes().all(|letter| b"ditPq".contains(&letter))
}

/// The command of a container, as the engine puts it together (`docker run --help`): an entry point
/// that was asked for takes the image's command away too.
pub fn command(
    asked: &Asked,
    entrypoint: &[OsString],
    usual: &[OsString],
) -> anyhow::Result<Vec<OsString>> {
    let mut command = match &asked.entrypoint {
        Some(word) if word.is_empty() => Vec::new(),
        Some(word) => vec![word.clone()],
        None => entrypoint.to_vec(),
    };
    if !asked.words.is_empty() {
        command.extend(asked.words.iter().cloned());
    } else if asked.entrypoint.is_none() {
        command.extend(usual.iter().cloned());
    }
    if command.first().is_none_or(|word| word == OsStr::new("")) {
        bail!("the image has neither an entry point nor a command: name one after it");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    fn read(text: &str) -> Asked {
        Asked::read(&words(text), false).unwrap()
    }

    #[test]
    fn options_end_where_the_image_begins() {
        let asked = read("--user 1000 --read-only -e A=b -it --env=C=d alpine:3 sh -c -- x");
        assert_eq!(asked.options, words("--user 1000 --read-only -e A=b -it --env=C=d"));
        assert_eq!((asked.image, asked.words), ("alpine:3".into(), words("sh -c -- x")));
        assert!(asked.tty && asked.interactive);
        let asked = read("--init -- alpine");
        assert_eq!((asked.init, asked.image), (true, "alpine".into()));
    }

    #[test]
    fn what_decides_how_it_is_recorded_is_read() {
        let asked = read(
            "--entrypoint sh --security-opt no-new-privileges --runtime crun --rm --health-cmd x i c",
        );
        assert_eq!(asked.entrypoint, Some("sh".into()));
        assert!(asked.no_new_privileges);
        assert_eq!(asked.runtime.as_deref(), Some("crun"));
        assert_eq!(asked.health.as_deref(), Some("x"));
        assert_eq!(asked.options.len(), 6);
    }

    #[test]
    fn what_contradicts_a_recording_is_refused() {
        for text in ["-d image", "--detach image", "--restart always image", "-itd i", "", "--init"]
        {
            assert!(Asked::read(&words(text), false).is_err(), "{text}");
        }
        let late = Asked::read(&words("--user 1 --for 5s image"), false).unwrap_err();
        assert!(late.to_string().contains("before those of the engine"), "{late}");
    }

    #[test]
    fn a_command_is_put_together_as_the_engine_does() {
        let (entry, usual) = (words("/entry"), words("serve"));
        let of = |text: &str| command(&read(text), &entry, &usual).unwrap();
        assert_eq!(of("image"), words("/entry serve"));
        assert_eq!(of("image other"), words("/entry other"));
        assert_eq!(of("--entrypoint sh image"), words("sh"));
        assert_eq!(of("--entrypoint sh image -c x"), words("sh -c x"));
        assert!(command(&read("image"), &[], &[]).is_err());
    }
}
