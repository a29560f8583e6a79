//! What a process prints: passed on as it comes, and kept as far as two runs are compared by it.

use sha2::{Digest, Sha256};
use std::{
    io::{self, Read, Write},
    thread::{self, JoinHandle},
};

/// So much is kept, to show where two outputs differ.
const HEAD: usize = 1 << 20;

/// Where a process's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// To profgen's standard output.
    Output,
    /// To profgen's standard error.
    Error,
    /// Nowhere.
    None,
}

/// Everything that came through one descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    digest: Vec<u8>,
    head: Vec<u8>,
}

impl Stream {
    /// The first line in which two streams differ, of each.
    pub fn difference(&self, other: &Stream) -> Option<[String; 2]> {
        if self.digest == other.digest {
            return None;
        }
        let lines = |stream: &Stream| -> Vec<String> {
            stream.head.split(|&byte| byte == b'\n').map(shown).collect()
        };
        let (own, others) = (lines(self), lines(other));
        let at = (0..own.len().max(others.len())).find(|&at| own.get(at) != others.get(at));
        let line = |lines: &[String]| {
            let line = at.and_then(|at| lines.get(at));
            line.map_or_else(|| "no such line".to_owned(), |line| format!("{line:?}"))
        };
        Some([line(&own), line(&others)])
    }

    /// The last line, for people.
    pub fn last_line(&self) -> Option<String> {
        let line = self.head.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty());
        line.map(shown)
    }
}

fn shown(line: &[u8]) -> String {
    const MOST: usize = 200;
    String::from_utf8_lossy(&line[..line.len().min(MOST)]).into_owned()
}

/// Reads to the end in a thread of its own.
pub fn collect(mut from: impl Read + Send + 'static, echo: Echo) -> JoinHandle<Stream> {
    thread::spawn(move || {
        let (mut hash, mut head) = (Sha256::new(), Vec::new());
        let mut buffer = [0; 16 << 10];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let bytes = &buffer[..count];
            hash.update(bytes);
            head.extend_from_slice(&bytes[..count.min(HEAD - head.len())]);
            // Whoever reads ours may have gone; the container is not to notice.
            let _ = match echo {
                Echo::Output => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
                Echo::Error => io::stderr().write_all(bytes),
                Echo::None => Ok(()),
            };
        }
        Stream { digest: hash.finalize().to_vec(), head }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &'static str) -> Stream {
        collect(text.as_bytes(), Echo::None).join().unwrap()
    }

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(stream("a\nb\n").difference(&stream("a\nb\n")), None);
        let [own, other] = stream("a\nb\nc").difference(&stream("a\nx\nc")).unwrap();
        assert_eq!((&*own, &*other), ("\"b\"", "\"x\""));
        let [own, other] = stream("a").difference(&stream("a\nb")).unwrap();
        assert_eq!((&*own, &*other), ("no such line", "\"b\""));
        assert_eq!(stream("a\nb\n").last_line().as_deref(), Some("b"));
    }
}
