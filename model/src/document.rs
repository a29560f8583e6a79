//! The JSON form that all documents share: a schema name first, sorted, one record a line.
//!
//! The same value always gives the same bytes, and what was read is written back unchanged.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error as _,
};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::{fmt, io, marker::PhantomData};

/// A document kind: its name and version, and how deep its JSON is broken into lines.
pub trait Document: Serialize + DeserializeOwned {
    /// The word in `profgen/<kind>/v<N>`.
    const KIND: &'static str;
    /// The version that this program writes; it reads this one only.
    const VERSION: u32;
    /// Containers nested deeper than this stay on one line.
    const LINE_DEPTH: usize;
}

/// The `schema` field of a document: always written, and checked when read.
pub struct Schema<D>(PhantomData<fn() -> D>);

impl<D: Document> Schema<D> {
    fn text() -> String {
        format!("profgen/{}/v{}", D::KIND, D::VERSION)
    }
}

impl<D> Default for Schema<D> {
    fn default() -> Self {
        Schema(PhantomData)
    }
}

impl<D> Clone for Schema<D> {
    fn clone(&self) -> Self {
        Schema::default()
    }
}

impl<D> PartialEq for Schema<D> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<D: Document> fmt::Debug for Schema<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self::text())
    }
}

impl<D: Document> Serialize for Schema<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Self::text())
    }
}

impl<'de, D: Document> Deserialize<'de> for Schema<D> {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        let found = String::deserialize(deserializer)?;
        if found == Self::text() {
            return Ok(Schema::default());
        }
        Err(De::Error::custom(mismatch::<D>(&found)))
    }
}

fn mismatch<D: Document>(found: &str) -> String {
    let wanted = Schema::<D>::text();
    match kind_and_version(found) {
        Some((kind, version)) if kind == D::KIND && version > D::VERSION => {
            format!("it is {found}, written by a newer profgen; this one reads {wanted}")
        }
        _ => format!("its schema is {found:?}, not {wanted}"),
    }
}

/// The kind and version in a schema name, `("trace", 1)` for `profgen/trace/v1`.
pub fn kind_and_version(schema: &str) -> Option<(&str, u32)> {
    let (kind, version) = schema.strip_prefix("profgen/")?.split_once("/v")?;
    Some((kind, version.parse().ok()?))
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of this schema.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// JSON of another kind or version.
    #[error("{0}")]
    Schema(String),
}

/// Only the `schema` field, whatever else there is.
#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// The schema name in `json`, when it is a JSON object that has one.
pub fn schema_of(json: &[u8]) -> Option<String> {
    serde_json::from_slice::<Head>(json).ok()?.schema
}

/// Reads a document.
///
/// # Errors
/// [`DocumentError::Schema`] for another kind or a newer version, [`DocumentError::Malformed`] with
/// line and column for anything else: an unknown field is an error, not ignored.
pub fn from_json<D: Document>(json: &[u8]) -> Result<D, DocumentError> {
    serde_json::from_slice(json).map_err(|error| {
        // A document of another version fails at its first new field; its version is the reason.
        match schema_of(json) {
            Some(found) if found != Schema::<D>::text() => {
                DocumentError::Schema(mismatch::<D>(&found))
            }
            _ => error.into(),
        }
    })
}

/// Writes a document, with a newline at its end.
///
/// # Errors
/// When `out` fails.
pub fn write_json<D: Document>(document: &D, mut out: impl io::Write) -> io::Result<()> {
    let lines = Lines { depth: 0, limit: D::LINE_DEPTH, pretty: PrettyFormatter::new() };
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, lines);
    document.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// The document as bytes, with a newline at its end.
pub fn to_json<D: Document>(document: &D) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    write_json(document, &mut out)?;
    Ok(out)
}

/// Breaks lines as serde_json's pretty form does down to `limit`, and not below.
struct Lines {
    depth: usize,
    limit: usize,
    pretty: PrettyFormatter<'static>,
}

impl Lines {
    fn by_depth<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        pretty: impl FnOnce(&mut PrettyFormatter<'static>, &mut W) -> io::Result<()>,
        compact: impl FnOnce(&mut CompactFormatter, &mut W) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.depth > self.limit {
            compact(&mut CompactFormatter, out)
        } else {
            pretty(&mut self.pretty, out)
        }
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.by_depth(out, |f, out| f.begin_array(out), |f, out| f.begin_array(out))
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.by_depth(out, |f, out| f.end_array(out), |f, out| f.end_array(out))?;
        self.depth -= 1;
        Ok(())
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.depth > self.limit {
            return if first { Ok(()) } else { out.write_all(b", ") };
        }
        self.pretty.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.by_depth(out, |f, out| f.end_array_value(out), |f, out| f.end_array_value(out))
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.by_depth(out, |f, out| f.begin_object(out), |f, out| f.begin_object(out))
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.by_depth(out, |f, out| f.end_object(out), |f, out| f.end_object(out))?;
        self.depth -= 1;
        Ok(())
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if self.depth > self.limit {
            return if first { Ok(()) } else { out.write_all(b", ") };
        }
        self.pretty.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.by_depth(out, |f, out| f.end_object_value(out), |f, out| f.end_object_value(out))
    }
}
