//! Where the entries of a profile begin, for those who want to look at them.

/// The lines, from 1, of the elements of the first list named `syscalls` in valid JSON.
pub(super) fn of_entries(json: &[u8]) -> Vec<u32> {
    let mut lines = Vec::new();
    let (mut line, mut depth) = (1u32, 0usize);
    // The depth inside the list, once it began.
    let mut list: Option<usize> = None;
    let mut named = false;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'\n' => line += 1,
            b'"' => {
                let end = end_of_string(json, at + 1);
                // A value of that name is followed by no colon.
                named = list.is_none() && &json[at..end] == b"\"syscalls\"";
                at = end;
                continue;
            }
            b'[' | b'{' => {
                if named && byte == b'[' {
                    list = Some(depth + 1);
                } else if list == Some(depth) && byte == b'{' {
                    lines.push(line);
                }
                named = false;
                depth += 1;
            }
            b']' | b'}' => {
                if list == Some(depth) && byte == b']' {
                    return lines;
                }
                depth = depth.saturating_sub(1);
            }
            b',' => named = false,
            _ => {}
        }
        at += 1;
    }
    lines
}

/// After the closing quote.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_past_strings_and_other_lists() {
        let json = br#"{"x": "syscalls", "y": [{"a": 1}],
  "c": "\"syscalls\": [{",
  "linux": {"seccomp": {"syscalls": [
    {"names": ["a"], "args": [{"index": 0}]},

    {
      "names": ["b"]}, {"names": []}
  ]}}, "more": [{}]}"#;
        assert_eq!(of_entries(json), [4, 6, 7]);
        assert_eq!(of_entries(b"{\"syscalls\": null, \"z\": [{}]}"), [0u32; 0]);
        assert_eq!(of_entries(b"\"abc"), [0u32; 0]);
    }
}
