//! Socket addresses and the sockets that they are used with.

use model::{Text, trace::Address};
use nix::{errno::Errno, sys::socket};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};
use supervisor::memory;

/// The most bytes of an address that are looked at: sockaddr_storage.
const ADDRESS_MAX: usize = 128;

/// Reads a `struct sockaddr` of `length` bytes. `Ok(None)` when there is no address in it.
///
/// # Errors
/// When the memory cannot be read.
pub fn read(tid: i32, pointer: u64, length: u64) -> nix::Result<Option<Address>> {
    let length = usize::try_from(length).unwrap_or(ADDRESS_MAX).min(ADDRESS_MAX);
    if pointer == 0 || length < 2 {
        return Ok(None);
    }
    let mut bytes = [0_u8; ADDRESS_MAX];
    memory::read(tid, pointer, &mut bytes[..length])?;
    Ok(decode(&bytes[..length]))
}

/// Decodes the bytes of a `struct sockaddr`; `None` when they are too few for their family.
fn decode(bytes: &[u8]) -> Option<Address> {
    let family = u16::from_ne_bytes([bytes[0], *bytes.get(1)?]);
    let port = || Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    Some(match i32::from(family) {
        libc::AF_INET => {
            let host: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
            Address::Inet { host: Ipv4Addr::from(host).to_string(), port: port()? }
        }
        libc::AF_INET6 => {
            let host: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
            Address::Inet { host: Ipv6Addr::from(host).to_string(), port: port()? }
        }
        libc::AF_UNIX => match &bytes[2..] {
            [] => Address::Abstract { name: Text::default() },
            [0, name @ ..] => Address::Abstract { name: Text::from(name) },
            path => {
                let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
                Address::Unix { path: Text::from(&path[..end]), resolved: None }
            }
        },
        libc::AF_NETLINK => {
            let groups: [u8; 4] = bytes.get(8..12)?.try_into().ok()?;
            Address::Netlink { groups: u32::from_ne_bytes(groups) }
        }
        _ => Address::Other { family },
    })
}

/// The addresses in a `struct msghdr` (`wide`: of a 64-bit process).
///
/// # Errors
/// When the memory cannot be read.
pub fn read_message(tid: i32, pointer: u64, wide: bool) -> nix::Result<Option<Address>> {
    let (name, length) = message_name(tid, pointer, wide)?;
    read(tid, name, length)
}

/// `msg_name` and `msg_namelen`, the first two members.
fn message_name(tid: i32, pointer: u64, wide: bool) -> nix::Result<(u64, u64)> {
    let mut bytes = [0_u8; 12];
    memory::read(tid, pointer, if wide { &mut bytes } else { &mut bytes[..8] })?;
    let number = |at: usize| {
        u64::from(u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
    };
    if wide { Ok((number(0) | number(4) << 32, number(8))) } else { Ok((number(0), number(4))) }
}

/// The size of `struct mmsghdr`: a msghdr, a length, and padding.
pub fn mmsghdr_size(wide: bool) -> u64 {
    if wide { 64 } else { 32 }
}

/// A descriptor of ours for the same socket; the process notices nothing.
///
/// # Errors
/// When the kernel is older than 5.6, or the process may not be looked into.
pub fn borrow(process: i32, fd: i32) -> nix::Result<OwnedFd> {
    // SAFETY: plain numbers; the kernel makes a descriptor for us.
    let pidfd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    // SAFETY: it was just made.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
    // SAFETY: as above.
    let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) };
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(Errno::result(copy)? as i32) })
}

/// The protocol of a socket of a process.
pub fn protocol(process: i32, fd: i32) -> Option<i32> {
    option(borrow(process, fd).ok()?.as_raw_fd(), libc::SO_PROTOCOL)
}

/// A number that a socket of ours says of itself: an option of SOL_SOCKET.
pub fn option(socket: i32, name: i32) -> Option<i32> {
    let mut value: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to the number.
    let result = unsafe {
        let at = (&raw mut value).cast();
        libc::getsockopt(socket, libc::SOL_SOCKET, name, at, &raw mut size)
    };
    (result == 0).then_some(value)
}

/// The type of a socket, `stream`; `None` when it is no socket.
pub fn type_name(socket: &OwnedFd) -> Option<String> {
    let kind = socket::getsockopt(socket, socket::sockopt::SockType).ok()?;
    Some(
        match kind {
            socket::SockType::Stream => "stream",
            socket::SockType::Datagram => "datagram",
            socket::SockType::SeqPacket => "seqpacket",
            socket::SockType::Raw => "raw",
            _ => "other",
        }
        .to_owned(),
    )
}

/// The address that a socket is bound to.
pub fn local_address(socket: &OwnedFd) -> Option<Address> {
    let mut bytes = [0_u8; ADDRESS_MAX];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes and says how many.
    let result = unsafe {
        libc::getsockname(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), &raw mut length)
    };
    let length = (length as usize).min(bytes.len());
    (result == 0 && length >= 2).then(|| decode(&bytes[..length])).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded_by_family() {
        let inet = [2, 0, 0x1f, 0x90, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let expected = Address::Inet { host: "127.0.0.1".to_owned(), port: 8080 };
        assert_eq!(decode(&inet), Some(expected));
        let mut inet6 = [0_u8; 28];
        inet6[0] = 10;
        inet6[23] = 1;
        assert_eq!(decode(&inet6), Some(Address::Inet { host: "::1".to_owned(), port: 0 }));
        let path = Address::Unix { path: Text::from("/run/x"), resolved: None };
        assert_eq!(decode(b"\x01\0/run/x\0junk"), Some(path));
        assert_eq!(decode(b"\x01\0\0name"), Some(Address::Abstract { name: Text::from("name") }));
        assert_eq!(decode(b"\x01\0"), Some(Address::Abstract { name: Text::default() }));
        assert_eq!(decode(b"\0\0"), Some(Address::Other { family: 0 }));
    }

    #[test]
    fn short_addresses_are_none() {
        for length in 2..8 {
            assert_eq!(decode(&[2, 0, 1, 1, 1, 1, 1, 1][..length]), None);
        }
        assert_eq!(decode(&[10; 20]), Some(Address::Other { family: 0x0a0a }));
        assert_eq!(decode(&[10, 0, 0, 0, 0]), None);
    }
}
