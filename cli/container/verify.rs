//! Whether a container does under its profile what it did without: by its exit status and its output,
//! or, when it is a service, by its health and by its test.

use super::{
    session::{Run, Stop},
    watched::Ran,
};

/// What was learned.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Same(&'static str),
    /// The output is another in every run; the rest is the same.
    Varies,
    /// It was not.
    Different(Vec<String>),
}

/// In what two runs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    /// How they ended.
    End,
    /// What they printed: which of the four streams.
    Output(&'static str),
}

/// Compares the run under the profile with the recorded one, and where they differ with another run
/// that is neither: a clock in the output is not the profile's doing, and a program that is the first
/// process of its container may end otherwise than under a tracer.
///
/// # Errors
/// When the third run fails as such.
pub fn judge(
    recorded: &Run,
    confined: &Run,
    plain: impl FnOnce() -> anyhow::Result<Run>,
) -> anyhow::Result<Verdict> {
    let differences = compare(recorded, confined);
    if differences.is_empty() {
        return Ok(Verdict::Same(match (recorded.stop, &recorded.exercise) {
            (None, _) if recorded.container.streams.is_none() => {
                "the exit status was the same (what a terminal shows is not compared)"
            }
            (None, _) => "output and exit status were the same",
            (_, Some(_)) => "the exercise had the same output and exit status",
            (Some(Stop::Healthy), _) => "it became healthy as before",
            _ => "it ran as long as before",
        }));
    }
    let plain = plain()?;
    if compare(&plain, confined).is_empty() {
        return Ok(Verdict::Same("it did what it does without profile and without tracer"));
    }
    let usual: Vec<Matter> = compare(&plain, recorded).into_iter().map(|(what, _)| what).collect();
    let varies = |(what, _): &(Matter, String)| *what != Matter::End && usual.contains(what);
    if differences.iter().all(varies) {
        return Ok(Verdict::Varies);
    }
    Ok(Verdict::Different(differences.into_iter().map(|(_, text)| text).collect()))
}

fn compare(first: &Run, second: &Run) -> Vec<(Matter, String)> {
    let mut found = Vec::new();
    match (first.stop, second.stop) {
        (None, None) => ran("the container", &first.container, &second.container, &mut found),
        (Some(_), None) => {
            let status = second.container.status;
            let last =
                second.container.streams.iter().flat_map(|[out, err]| {
                    [err.last_line(), out.last_line()].into_iter().flatten()
                });
            let last = last.map(|line| format!(": {line}")).next().unwrap_or_default();
            found.push((
                Matter::End,
                format!("the container ended by itself with status {status}{last}"),
            ));
        }
        (None, Some(_)) => {
            found.push((Matter::End, "the container did not end by itself".to_owned()));
        }
        (Some(one), Some(other)) if one != other => {
            found.push((Matter::End, format!("{}, and not {}", words(other), words(one))));
        }
        // A service that is stopped may end in any way, and its log has times in it.
        _ => {}
    }
    if let (Some(one), Some(other)) = (&first.exercise, &second.exercise) {
        ran("the exercise", one, other, &mut found);
    }
    found
}

fn ran(who: &str, first: &Ran, second: &Ran, found: &mut Vec<(Matter, String)>) {
    if first.status != second.status {
        let text = format!("{who} ended with status {}, and not {}", second.status, first.status);
        found.push((Matter::End, text));
    }
    let (Some(one), Some(other)) = (&first.streams, &second.streams) else { return };
    let names = match who {
        "the container" => ["its standard output", "its standard error"],
        _ => ["the exercise's standard output", "the exercise's standard error"],
    };
    for ((one, other), name) in one.iter().zip(other).zip(names) {
        if let Some([before, now]) = one.difference(other) {
            let text = format!("{name} has {now}, and not {before}");
            found.push((Matter::Output(name), text));
        }
    }
}

fn words(stop: Stop) -> String {
    match stop {
        Stop::Limit => "its time was over".to_owned(),
        Stop::Healthy => "it was healthy".to_owned(),
        Stop::Unhealthy => "it was unhealthy".to_owned(),
        Stop::Exercised => "its exercise was done".to_owned(),
        Stop::Signal(signal) => format!("profgen got {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::output::*, *};
    use crate::container::joining::Joined;

    fn run(status: i32, output: &'static str) -> Run {
        let stream = |text: &'static str| collect(text.as_bytes(), Echo::None).join().unwrap();
        let container = Ran { status, streams: Some([stream(output), stream("")]) };
        Run { container, stop: None, exercise: None, joined: Joined::default() }
    }

    fn verdict(recorded: Run, confined: Run, plain: Run) -> Verdict {
        judge(&recorded, &confined, || Ok(plain)).unwrap()
    }

    #[test]
    fn a_profile_is_blamed_only_for_what_is_otherwise_the_same() {
        let same = judge(&run(3, "a"), &run(3, "a"), || unreachable!()).unwrap();
        assert_eq!(same, Verdict::Same("output and exit status were the same"));
        assert_eq!(verdict(run(0, "1"), run(0, "2"), run(0, "3")), Verdict::Varies);
        let ended = "the container ended with status 1, and not 0".to_owned();
        assert_eq!(verdict(run(0, "a"), run(1, "a"), run(0, "a")), Verdict::Different(vec![ended]));
        let printed = "its standard output has \"b\", and not \"a\"".to_owned();
        assert_eq!(
            verdict(run(0, "a"), run(0, "b"), run(0, "a")),
            Verdict::Different(vec![printed])
        );
        // The tracer changed it, not the profile.
        assert!(matches!(verdict(run(143, ""), run(137, ""), run(137, "")), Verdict::Same(_)));
    }

    #[test]
    fn a_service_has_to_stay() {
        let stopped = |stop| Run { stop: Some(stop), ..run(143, "12:00") };
        let gone = Run { stop: None, ..run(1, "cannot bind") };
        let limit = || stopped(Stop::Limit);
        let Verdict::Different(why) = verdict(limit(), gone, limit()) else { unreachable!() };
        assert_eq!(why, ["the container ended by itself with status 1: cannot bind"]);
        let other = Run { stop: Some(Stop::Limit), ..run(137, "12:01") };
        assert!(matches!(verdict(limit(), other, limit()), Verdict::Same(_)));
        let sick = stopped(Stop::Unhealthy);
        let well = || stopped(Stop::Healthy);
        assert!(matches!(verdict(well(), sick, well()), Verdict::Different(_)));
    }
}
