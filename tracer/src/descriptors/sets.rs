//! Sets of descriptors that calls carry in memory: of poll(2) and select(2), in control messages, as
//! pairs. How much is read of each is bounded; what cannot be read is an empty set.

use supervisor::memory;

/// How many descriptors of one set are looked at.
const SET_MAX: u64 = 1024;
/// How many bytes of control messages are: SCM_MAX_FD is 253 descriptors.
const CONTROL_MAX: u64 = 4096;

/// What came or went in control messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// By SCM_RIGHTS.
    pub rights: Vec<i32>,
    /// By SCM_PIDFD.
    pub pidfds: Vec<i32>,
}

/// The descriptors in an array of `struct pollfd`; negative ones are none.
pub fn polled(tid: i32, pointer: u64, count: u64) -> Vec<i32> {
    let count = (count & 0xffff_ffff).min(SET_MAX) as usize;
    let mut bytes = vec![0_u8; count * 8];
    if count == 0 || memory::read(tid, pointer, &mut bytes).is_err() {
        return Vec::new();
    }
    bytes.chunks_exact(8).map(|entry| word(entry, 0)).filter(|&fd| fd >= 0).collect()
}

/// The descriptors in one `fd_set` of select(2).
pub fn selected(tid: i32, pointer: u64, count: u64) -> Vec<i32> {
    let count = (count & 0xffff_ffff).min(SET_MAX);
    let mut bytes = vec![0_u8; count.div_ceil(8) as usize];
    if pointer == 0 || count == 0 || memory::read(tid, pointer, &mut bytes).is_err() {
        return Vec::new();
    }
    let set = |fd: &u64| bytes[(fd / 8) as usize] & 1 << (fd % 8) != 0;
    (0..count).filter(set).map(|fd| fd as i32).collect()
}

/// Two descriptors that a call wrote.
pub fn pair(tid: i32, pointer: u64) -> Option<[i32; 2]> {
    let mut bytes = [0_u8; 8];
    memory::read(tid, pointer, &mut bytes).ok()?;
    Some([word(&bytes, 0), word(&bytes, 4)])
}

/// One descriptor that a call wrote.
pub fn single(tid: i32, pointer: u64) -> Option<i32> {
    let mut bytes = [0_u8; 4];
    memory::read(tid, pointer, &mut bytes).ok()?;
    Some(word(&bytes, 0))
}

/// A `struct msghdr`, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Whether there is an address in it.
    pub addressed: bool,
    control: u64,
    control_length: u64,
}

impl Header {
    /// Reads one (`wide`: of a 64-bit process).
    pub fn read(tid: i32, pointer: u64, wide: bool) -> Option<Header> {
        let mut bytes = [0_u8; 56];
        let size = if wide { 56 } else { 28 };
        memory::read(tid, pointer, &mut bytes[..size]).ok()?;
        Some(if wide {
            Header {
                addressed: long(&bytes, 0) != 0,
                control: long(&bytes, 32),
                control_length: long(&bytes, 40),
            }
        } else {
            let word = |at| u64::from(word(&bytes, at) as u32);
            Header { addressed: word(0) != 0, control: word(16), control_length: word(20) }
        })
    }

    /// Whether there is room for control messages.
    pub fn has_control(&self) -> bool {
        self.control != 0 && self.control_length > 0
    }

    /// The descriptors in its control messages.
    pub fn control(&self, tid: i32, wide: bool) -> Control {
        let length = self.control_length.min(CONTROL_MAX) as usize;
        let mut bytes = vec![0_u8; length];
        if !self.has_control() || memory::read(tid, self.control, &mut bytes).is_err() {
            return Control::default();
        }
        parse(&bytes, wide)
    }
}

/// cmsg(3): a length, a level and a type, then data, each message aligned to a word.
fn parse(bytes: &[u8], wide: bool) -> Control {
    let (header, align) = if wide { (16, 8) } else { (12, 4) };
    let (mut control, mut at) = (Control::default(), 0);
    while at + header <= bytes.len() {
        let length = if wide { long(bytes, at) } else { u64::from(word(bytes, at) as u32) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < header {
            break;
        }
        let end = at.saturating_add(length).min(bytes.len());
        let (level, kind) = (word(bytes, at + header - 8), word(bytes, at + header - 4));
        let data = bytes[at + header..end].chunks_exact(4).map(|entry| word(entry, 0));
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => control.rights.extend(data),
            // SCM_PIDFD of linux/socket.h.
            (libc::SOL_SOCKET, 4) => control.pidfds.extend(data),
            _ => {}
        }
        at = end.next_multiple_of(align);
    }
    control
}

fn word(bytes: &[u8], at: usize) -> i32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    i32::from_ne_bytes(four.unwrap_or_default())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok());
    u64::from_ne_bytes(eight.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(wide: bool, kind: i32, data: &[i32]) -> Vec<u8> {
        let header = if wide { 16 } else { 12 };
        let length = header + data.len() * 4;
        let mut bytes = Vec::new();
        if wide {
            bytes.extend((length as u64).to_ne_bytes());
        } else {
            bytes.extend((length as u32).to_ne_bytes());
        }
        bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        data.iter().for_each(|fd| bytes.extend(fd.to_ne_bytes()));
        bytes.resize(bytes.len().next_multiple_of(if wide { 8 } else { 4 }), 0);
        bytes
    }

    #[test]
    fn descriptors_are_found_among_other_messages() {
        for wide in [true, false] {
            let bytes = [
                message(wide, libc::SCM_CREDENTIALS, &[1, 2, 3]),
                message(wide, libc::SCM_RIGHTS, &[7, 8, 9]),
                message(wide, 4, &[11]),
            ]
            .concat();
            let expected = Control { rights: vec![7, 8, 9], pidfds: vec![11] };
            assert_eq!(parse(&bytes, wide), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300), wide: bool) {
            parse(&bytes, wide);
        }
    }

    #[test]
    fn sets_are_read_from_memory() {
        let own = nix::unistd::gettid().as_raw();
        let fds: [i32; 6] = [5, 0, -1, 0, 9, 0];
        assert_eq!(polled(own, fds.as_ptr() as u64, 3), [5, 9]);
        let set: [u64; 2] = [1 << 3 | 1 << 63, 1];
        assert_eq!(selected(own, set.as_ptr() as u64, 65), [3, 63, 64]);
        assert_eq!(selected(own, 0, 65), [0; 0]);
        assert_eq!(polled(own, 8, u64::MAX), [0; 0]);
    }
}
