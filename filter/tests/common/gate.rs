//! Says what was not tested.

/// Ends a test that something is missing for: an error where `PROFGEN_REQUIRE_ALL=1` is set.
pub fn skipped(reason: &str) {
    assert_ne!(std::env::var("PROFGEN_REQUIRE_ALL").as_deref(), Ok("1"), "skipped: {reason}");
    eprintln!("skipped: {reason}");
}
