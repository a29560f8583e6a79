//! Which threads of a process cannot run into a breakpoint, and whether these can be stopped for a
//! moment without a trace.

use libc::c_long;
use std::fs;

const TRAP: u64 = 1 << (libc::SIGTRAP - 1);

/// The threads that cannot run into a breakpoint without a trace: where SIGTRAP is blocked or ignored,
/// the kernel first sets it to its default (kernel/signal.c, force_sig_info_to_task). `None` when one
/// of them does what does not bear an interruption.
pub fn deaf(threads: &[i32]) -> Option<Vec<i32>> {
    let file = |tid, name| fs::read_to_string(format!("/proc/{tid}/task/{tid}/{name}"));
    // One that is gone runs into nothing.
    let is_deaf = |tid: &i32| {
        file(*tid, "status").is_ok_and(|status| is_there(&status) && !takes_traps(&status))
    };
    let deaf: Vec<i32> = threads.iter().copied().filter(is_deaf).collect();
    let waits = |&tid: &i32| file(tid, "syscall").is_ok_and(|call| waits(&call));
    deaf.iter().all(waits).then_some(deaf)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// A leader that has ended is there as long as its other threads.
fn is_there(status: &str) -> bool {
    !field(status, "State:").is_some_and(|state| state.starts_with(['Z', 'X']))
}

fn takes_traps(status: &str) -> bool {
    let bits = |name| u64::from_str_radix(field(status, name)?, 16).ok();
    ["SigBlk:", "SigIgn:"].iter().all(|name| bits(name).is_some_and(|held| held & TRAP == 0))
}

/// Whether a thread waits in a call that goes on by itself after it was stopped, as if nothing had been:
/// it does not end with EINTR (signal(7), "Interruption of system calls by stop signals"), has done
/// nothing by halves, and has told nobody. `line`: /proc/TID/syscall, its number and arguments.
fn waits(line: &str) -> bool {
    let mut words = line.split_whitespace();
    // "running" has no number; -1 is no call.
    let Some(number) = words.next().and_then(|word| word.parse::<c_long>().ok()) else {
        return false;
    };
    let mut args = [0; 6];
    for (arg, word) in args.iter_mut().zip(words) {
        let Some(value) = word.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok())
        else {
            return false;
        };
        *arg = value;
    }
    match number {
        // kernel/futex/waitwake.c: ERESTARTSYS, or with a timeout a restart at the time first meant. Of
        // what waits, only the plain commands; 128 is FUTEX_PRIVATE_FLAG, 256 FUTEX_CLOCK_REALTIME.
        libc::SYS_futex => {
            matches!((args[1] & !(128 | 256)) as i32, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
        }
        // kernel/time/hrtimer.c: a restart at the time first meant; where the rest is asked for, an
        // interruption is told.
        libc::SYS_nanosleep => args[1] == 0,
        libc::SYS_clock_nanosleep => {
            args[3] == 0 || args[1] & u64::from(libc::TIMER_ABSTIME as u32) != 0
        }
        // fs/select.c: a restart at the time first meant. (ppoll, select and pselect6 write the rest.)
        libc::SYS_poll
        // What the kernel makes of one of the above that was stopped before.
        | libc::SYS_restart_syscall
        // kernel/signal.c: ERESTARTNOHAND.
        | libc::SYS_pause
        // kernel/exit.c, do_wait: ERESTARTSYS.
        | libc::SYS_wait4
        | libc::SYS_waitid => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_takes_traps_unless_it_blocks_or_ignores_them() {
        let status = |blocked, ignored| {
            format!("State:\tS\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\n")
        };
        assert!(takes_traps(&status(!TRAP, !TRAP)));
        assert!(!takes_traps(&status(TRAP, 0)) && !takes_traps(&status(0, TRAP)));
        assert!(!takes_traps("State:\tS\n"));
        assert!(is_there(&status(0, 0)) && !is_there("State:\tZ (zombie)\n"));
    }

    #[test]
    fn only_what_goes_on_by_itself_is_stopped() {
        let call = |number: c_long, args: &str| {
            waits(&format!("{number} {args} 0x7ffcdeadbee0 0x7f0000001234\n"))
        };
        let futex = |command: u64| {
            call(libc::SYS_futex, &format!("0x5000 {command:#x} 0x0 0x0 0x0 0xffffffff"))
        };
        assert!(futex(0x80) && futex(0x189));
        // FUTEX_WAIT_REQUEUE_PI may end with EWOULDBLOCK.
        assert!(!futex(0x8b));
        let sleep = |flags: u64, rest: u64| {
            call(libc::SYS_clock_nanosleep, &format!("0x0 {flags:#x} 0x5000 {rest:#x} 0x0 0x0"))
        };
        assert!(sleep(0, 0) && sleep(1, 0x5000) && !sleep(0, 0x5000));
        for number in [libc::SYS_epoll_wait, libc::SYS_rt_sigtimedwait, libc::SYS_read] {
            assert!(!call(number, "0x3 0x5000 0x1 0x0 0x0 0x0"), "{number}");
        }
        assert!(!waits("running\n") && !waits("-1 0x7ffcdeadbee0 0x7f0000001234\n") && !waits(""));
    }
}
