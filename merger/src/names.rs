//! Names that a run makes up: numbered, random, taken from a hash. The next run has others of the
//! same pattern.

/// The name with what looks made up replaced by `#`: `app-4711.log` and `app-12.log` are both
/// `app-#.log`, `/tmp/cc0vDTQz.s` and `/tmp/ccAbX81k.s` both `/tmp/#.s`.
pub(crate) fn pattern(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut word = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            word.push(character);
        } else {
            flush(&mut word, &mut out);
            out.push(character);
        }
    }
    flush(&mut word, &mut out);
    out
}

fn flush(word: &mut String, out: &mut String) {
    if is_random(word) {
        out.push('#');
    } else {
        let mut after_digit = false;
        for character in word.chars() {
            let digit = character.is_ascii_digit();
            if !digit {
                out.push(character);
            } else if !after_digit {
                out.push('#');
            }
            after_digit = digit;
        }
    }
    word.clear();
}

/// What mkstemp(3), uuids and hashes look like: six letters or more, of several sorts mixed.
fn is_random(word: &str) -> bool {
    let sorts = [
        word.bytes().any(|byte| byte.is_ascii_digit()),
        word.bytes().any(|byte| byte.is_ascii_lowercase()),
        // A capital at the start alone is a title.
        word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase()),
    ];
    // A group of a uuid has four, and mostly a digit.
    let hexadecimal = word.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (word.len() >= 16 || word.len() >= 4 && sorts[0]);
    word.len() >= 6 && sorts.iter().filter(|sort| **sort).count() >= 2 || hexadecimal
}

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn made_up_names_of_one_sort_have_one_pattern() {
        for (one, other) in [
            ("app-4711.log", "app-12.log"),
            ("cc0vDTQz.s", "ccAbX81k.s"),
            ("tmp.Ab3dE9", "tmp.xY12zW"),
            ("3f2c9a4e-0c1d-4a5b-9e8f-001122334455", "a81b0c2d-77aa-4bcd-8123-99887766aabb"),
            (
                "pack-0123456789abcdef0123456789abcdef.idx",
                "pack-ffffffffffffffffffff0000aaaa1111.idx",
            ),
            ("1", "65535"),
        ] {
            assert_eq!(pattern(one), pattern(other));
        }
    }

    #[test]
    fn chosen_names_stay() {
        for name in ["passwd", "nsswitch.conf", "Makefile", "README", "key.pem", "libc.so", ""] {
            assert_eq!(pattern(name), name);
        }
    }
}
