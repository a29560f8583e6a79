//! `profgen agent`: records containers from outside. Their runtime hands them over, because the
//! seccomp profile that they were started with names profgen's socket.

mod bootstrap;
mod serve;
mod socket;
mod unseen;
mod worker;

use crate::{
    arguments::AgentArguments,
    exit::{Failure, Status},
};

pub fn agent(arguments: &AgentArguments) -> Result<Status, Failure> {
    match arguments.bootstrap {
        true => bootstrap::write(arguments)?,
        false => serve::serve(arguments)?,
    }
    Ok(Status::Code(0))
}
