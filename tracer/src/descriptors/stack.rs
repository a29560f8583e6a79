//! From where a call was made: who called whom, from the instruction outwards. Walked only where the
//! code addresses on the stack are not those of a walk before.

use super::{image::Growing, unwind};
use crate::observe::Event;
use model::{Text, descriptor::Stack};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};
use supervisor::{
    memory,
    procfs::{self, Mapping},
};

/// How many stacks of one image are walked; past it a stack is its first frame.
const WALKS_BOUND: usize = 2048;
/// How many bytes of the stack are compared.
const COMPARED: usize = 512;

/// The executable mappings of one image, as of the last time that one was missed.
#[derive(Debug, Default)]
pub struct Code {
    mappings: Vec<Mapping>,
}

impl Code {
    fn has(&self, address: u64) -> bool {
        procfs::mapping_of(&self.mappings, address).is_some()
    }

    fn read(&mut self, process: i32) {
        let mappings = procfs::mappings(process).unwrap_or_default();
        self.mappings = mappings.into_iter().filter(|mapping| mapping.executable).collect();
    }
}

/// All stacks of a run, each once.
#[derive(Debug, Default)]
pub struct Stacks {
    index: HashMap<Stack, u32>,
    list: Vec<Stack>,
    unwinder: unwind::Unwinder,
}

impl Stacks {
    /// The stack of a thread that has stopped in a call; `None` when not even the call's own place is
    /// known. `executable`: the image's own file.
    pub fn of(
        &mut self,
        event: &Event,
        process: i32,
        code: &mut Code,
        image: &mut Growing,
        executable: &Text,
    ) -> Option<u32> {
        if !code.has(event.instruction_pointer) {
            code.read(process);
        }
        let key = key(event, code);
        if let Some(&known) = image.stacks.get(&key) {
            return known;
        }
        let walks = image.stacks.len() < WALKS_BOUND;
        let stack = self.walk(event, process, code, walks)?;
        let own = stack.0.iter().skip(1).any(|site| site.module == *executable);
        if own && !image.forked && image.entered_main.is_none() {
            image.entered_main = Some(image.clock);
        }
        let next = self.list.len() as u32;
        let at = *self.index.entry(stack).or_insert_with_key(|stack| {
            self.list.push(stack.clone());
            next
        });
        if walks {
            image.stacks.insert(key, Some(at));
        }
        Some(at)
    }

    fn walk(&mut self, event: &Event, process: i32, code: &mut Code, walks: bool) -> Option<Stack> {
        let mut sites = vec![procfs::call_site(&code.mappings, event.instruction_pointer)?];
        let registers = if walks { unwind::registers(event.tid) } else { None };
        if let Some(registers) = registers {
            let (mut callers, bound) = (Vec::new(), Stack::BOUND - 1);
            for again in [false, true] {
                callers = self.unwinder.callers(event.tid, &code.mappings, registers, bound);
                let known = |pc: &u64| code.has(pc.wrapping_sub(1));
                if again || callers.iter().all(known) {
                    break;
                }
                // Mapped since.
                code.read(process);
            }
            let site = |pc: u64| procfs::site(&code.mappings, pc.wrapping_sub(1));
            sites.extend(callers.into_iter().map_while(site));
        }
        Some(Stack(sites))
    }

    /// All of them, by their index.
    pub fn finish(self) -> Vec<Stack> {
        self.list
    }
}

/// What a stack is recognised by: the call's place and the code addresses near the stack's top.
fn key(event: &Event, code: &Code) -> u64 {
    let mut hasher = DefaultHasher::new();
    event.instruction_pointer.hash(&mut hasher);
    let mut bytes = [0_u8; COMPARED];
    // Less where the stack ends before: a new thread's is near its end.
    let length = COMPARED.min(4096 - (event.stack_pointer % 4096) as usize).max(64);
    let sizes = [COMPARED, length];
    let read = sizes
        .into_iter()
        .find(|&size| memory::read(event.tid, event.stack_pointer, &mut bytes[..size]).is_ok());
    for word in bytes[..read.unwrap_or(0)].chunks_exact(8) {
        let word = u64::from_ne_bytes(word.try_into().unwrap_or_default());
        if code.has(word) {
            word.hash(&mut hasher);
        }
    }
    hasher.finish()
}
