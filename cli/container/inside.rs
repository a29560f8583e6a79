//! `profgen inside`: what stands in the place of a container's first process and records it. It needs
//! nothing of the image, and writes one file into the directory that is mounted for that.

use crate::{
    arguments::{InsideArguments, TraceArguments},
    exit::{Failure, Status},
    files::{open_directory, write_in},
    trace::observe,
};
use anyhow::{Context, anyhow};
use model::{Trace, document::to_json};
use std::{fs, os::fd::OwnedFd, path::Path};
use supervisor::Command;

/// Health checks come again and again: after so many records no more of them are made.
pub const JOINED_MAX: usize = 64;

/// Said where it may matter, as the engine's own profile decides it.
const SOCKETS: &str = "the types of sockets, and where they listened without having been bound, were \
                       not seen: the container's own profile denies pidfd_getfd (--cap-add SYS_PTRACE)";

/// Whether descriptors of others can be looked at: asked of profgen itself.
fn sees_sockets() -> bool {
    // SAFETY: plain numbers; the kernel makes descriptors for us, which the end of the process closes.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0);
        process >= 0 && libc::syscall(libc::SYS_pidfd_getfd, process, process, 0) >= 0
    }
}

pub fn inside(arguments: &InsideArguments) -> Result<Status, Failure> {
    if arguments.joined && records(&arguments.out) >= JOINED_MAX {
        return Err(execute(arguments));
    }
    let directory = open_directory(&arguments.out)
        .with_context(|| format!("cannot write to {}", arguments.out.display()))?;
    let run = TraceArguments {
        first_process: !arguments.joined,
        // The names of call sites take time that an engine may not give: first the record.
        ..TraceArguments::of_command(arguments.tracing_engine, true, true, &arguments.command)
    };
    let mut trace = observe(&run)?;
    if trace.programs.iter().any(|program| !program.endpoints.is_empty()) && !sees_sockets() {
        trace.completeness.notes.insert(SOCKETS.to_owned());
    }
    keep(&directory, &trace, arguments.joined)?;
    if !arguments.no_static {
        static_analyzer::name_sites(&mut trace);
        keep(&directory, &trace, arguments.joined)?;
    }
    match trace.completeness.ended {
        Some(ended) => Ok(Status::Like(ended)),
        None => Err(anyhow!("cannot tell how the command ended").into()),
    }
}

fn keep(directory: &OwnedFd, trace: &Trace, joined: bool) -> anyhow::Result<()> {
    let name = format!("{}-{}.json", if joined { "joined" } else { "first" }, trace.id);
    write_in(directory, Path::new(&name), &to_json(trace)?).context("cannot write the record")
}

fn records(out: &Path) -> usize {
    fs::read_dir(out).map_or(0, Iterator::count)
}

/// Becomes the command, unrecorded. Returns only when it cannot.
fn execute(arguments: &InsideArguments) -> Failure {
    let command = crate::inherited::command_alone(&arguments.command);
    let command: Command = match command.context("cannot prepare the command") {
        Ok(Ok(command)) => command,
        Ok(Err(error)) => return Failure::with(error.status(), error.into()),
        Err(error) => return error.into(),
    };
    command.restore();
    let errno = command.execute();
    let name = arguments.command.first().cloned().unwrap_or_default();
    let error = supervisor::CommandError { name, errno };
    Failure::with(error.status(), error.into())
}
