//! Text that came from the kernel: paths and arguments, which are bytes and need not be UTF-8.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{borrow::Cow, ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

/// A byte string as the kernel has it, without the closing NUL.
///
/// In JSON it is a string in which a byte that is not part of valid UTF-8 is written `\xHH` and a
/// backslash `\\`, so that every path comes back as it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as a path of this machine.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last component of the path, as text for people.
    pub fn base_name(&self) -> Cow<'_, str> {
        let start = self.0.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        String::from_utf8_lossy(&self.0[start..])
    }

    /// The directory that holds the path, which is absolute; `/` holds itself.
    pub fn parent(&self) -> Text {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(0) | None => Text::from("/"),
            Some(at) => Text::from(&self.0[..at]),
        }
    }

    /// The JSON form: see the type's description.
    pub fn escaped(&self) -> String {
        escaped(&self.0).into_owned()
    }

    /// Reads the JSON form back. `None` when a backslash does not start `\\` or `\xHH`.
    pub fn from_escaped(text: &str) -> Option<Text> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('\\') {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            let escape = &rest[at + 1..];
            if let Some(after) = escape.strip_prefix('\\') {
                out.push(b'\\');
                rest = after;
            } else {
                let digits = escape.strip_prefix('x')?.get(..2)?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &escape[3..];
            }
        }
        out.extend_from_slice(rest.as_bytes());
        Some(Text(out))
    }
}

/// The JSON form of the bytes of a text: most are it.
pub(crate) fn escaped(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes)
        && !bytes.contains(&b'\\')
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive('\\') {
            out.push_str(part);
            if part.ends_with('\\') {
                out.push('\\');
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    Cow::Owned(out)
}

impl fmt::Display for Text {
    /// For terminals: escaped as in JSON, and control characters written as `\u{..}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in escaped(&self.0).chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                fmt::Write::write_char(f, character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", escaped(&self.0))
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Text {
        Text(bytes)
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text(bytes.to_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl From<&Path> for Text {
    fn from(path: &Path) -> Text {
        Text(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&escaped(&self.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Text::from_escaped(&text)
            .ok_or_else(|| D::Error::custom("a backslash must start \\\\ or \\xHH"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for bytes in [&b"/etc/passwd"[..], b"", b"a\\b", b"\xff\xfe/\xc3\xa9\\x41", b"\\\\", b"\\"]
        {
            let text = Text::from(bytes);
            assert_eq!(Text::from_escaped(&text.escaped()), Some(text.clone()), "{text:?}");
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
        }
    }

    #[test]
    fn a_lone_backslash_is_an_error() {
        assert_eq!(Text::from_escaped("a\\b"), None);
        assert_eq!(Text::from_escaped("\\x4"), None);
        assert_eq!(Text::from_escaped("\\xé"), None);
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        assert_eq!(Text::from("a\x1b[31m").to_string(), "a\\u{1b}[31m");
    }
}
