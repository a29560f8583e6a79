//! i386 and its like put several calls behind one number, or arguments in memory: here they become
//! the call that was meant.

use crate::observe::Event;
use model::{Arch, Sysno};
use supervisor::memory;

/// linux/net.h: what socketcall(2) stands for, with how many arguments. accept, send and recv have
/// no number of their own on i386; what they are called here does the same with one argument more.
const SOCKET_CALLS: [(&str, usize); 20] = [
    ("socket", 3),
    ("bind", 3),
    ("connect", 3),
    ("listen", 2),
    ("accept4", 3),
    ("getsockname", 3),
    ("getpeername", 3),
    ("socketpair", 4),
    ("sendto", 4),
    ("recvfrom", 4),
    ("sendto", 6),
    ("recvfrom", 6),
    ("shutdown", 2),
    ("setsockopt", 5),
    ("getsockopt", 5),
    ("sendmsg", 3),
    ("recvmsg", 3),
    ("accept4", 4),
    ("recvmmsg", 5),
    ("sendmmsg", 4),
];

/// The call that was meant.
pub fn meant(event: &Event) -> Event {
    unfold(event).unwrap_or(*event)
}

fn unfold(event: &Event) -> Option<Event> {
    let arch = event.sysno.arch();
    let (name, count, pointer) = match event.sysno.name()? {
        "socketcall" => {
            let operation = (event.args[0] & 0xffff_ffff) as usize;
            let (name, count) = *SOCKET_CALLS.get(operation.checked_sub(1)?)?;
            (name, count, event.args[1])
        }
        "mmap" if arch == Arch::I386 => ("mmap2", 6, event.args[0]),
        "select" if arch == Arch::I386 => ("_newselect", 5, event.args[0]),
        _ => return None,
    };
    let mut bytes = [0_u8; 24];
    let size = if event.is_wide() { return None } else { count * 4 };
    memory::read(event.tid, pointer, &mut bytes[..size]).ok()?;
    let mut args = [0; 6];
    for (argument, word) in args.iter_mut().zip(bytes.chunks_exact(4)) {
        *argument = u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    }
    Some(Event { sysno: Sysno::from_name(arch, name)?, args, ..*event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_call_has_a_number_on_i386() {
        for (name, _) in SOCKET_CALLS {
            assert!(Sysno::from_name(Arch::I386, name).is_some(), "{name}");
        }
    }

    #[test]
    fn arguments_in_memory_become_arguments() {
        let words: [u32; 3] = [3, 0x1000, 0x7f];
        let address = words.as_ptr() as u64;
        let sysno = Sysno::from_name(Arch::I386, "socketcall").unwrap();
        let tid = nix::unistd::gettid().as_raw();
        let args = [17, address, 0, 0, 0, 0];
        let event = Event { tid, sysno, args, instruction_pointer: 1, stack_pointer: 2 };
        let meant = meant(&event);
        assert_eq!((meant.sysno.name(), meant.args), (Some("recvmsg"), [3, 0x1000, 0x7f, 0, 0, 0]));
    }
}
