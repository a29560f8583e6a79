//! Frames of a chain of calls: `libc.so.6:getaddrinfo+0x1c`, `nginx+0x3849d`.

use model::Text;

/// Whether it lies in the program's own code.
pub(crate) fn is_own(program: &Text, frame: &str) -> bool {
    let module = program.base_name().to_string();
    frame.strip_prefix(&*module).is_some_and(|rest| rest.starts_with([':', '+']))
}

/// The program's own frames by their functions' names, the innermost first; one without a name by
/// its place.
pub(crate) fn own<'a>(program: &Text, chain: &'a [String]) -> impl Iterator<Item = &'a str> {
    let frames = chain.iter().map(String::as_str).filter(move |frame| is_own(program, frame));
    frames.map(|frame| match function(frame) {
        "" => frame,
        name => name,
    })
}

/// `getaddrinfo` of `libc.so.6:getaddrinfo+0x1c`.
pub(crate) fn function(frame: &str) -> &str {
    let symbol = frame.split_once(':').map_or("", |(_, symbol)| symbol);
    symbol.split_once('+').map_or(symbol, |(name, _)| name)
}
