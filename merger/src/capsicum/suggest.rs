//! What runs suggest, as a document.

use super::{
    frames,
    point::{Place, View, is_forbidden, use_is_forbidden, words},
    remedies::{Way, remedy, way},
    roles::{self, Taken},
};
use model::{
    Policy, Sysno, Text,
    capsicum::{
        Failure, Limit, Point, Remedy, Rights, Serving, Suggestion, Suggestions, Verdict, verdict,
    },
    confinement::{Confinement, Event, Id, Role, Source, Step},
    descriptor::Name,
};
use std::collections::{BTreeMap, BTreeSet};

/// How many names of a remedy are shown.
const NAMES: usize = 6;

/// How each program of a policy could confine itself.
pub fn suggestions(policy: &Policy) -> Suggestions {
    let words = words(policy);
    let mut all = Suggestions::default();
    for (program, kept) in &policy.confinement {
        let kinds = [(false, &kept.executed), (true, &kept.forked)];
        let suggested: Vec<Suggestion> = kinds
            .into_iter()
            .filter_map(|(forked, confinement)| {
                let view = View { confinement: confinement.as_ref()?, words: &words };
                Some(suggest(program, forked, &view))
            })
            .collect();
        if suggested.iter().any(|suggestion| suggestion.cut) {
            all.notes.insert(format!(
                "{program}: some of the evidence was past a bound and is not in it"
            ));
        }
        all.programs.insert(program.clone(), suggested);
    }
    if policy.confinement.is_empty() {
        all.notes.insert("no run followed descriptors".to_owned());
    }
    all
}

fn suggest(program: &Text, forked: bool, view: &View<'_>) -> Suggestion {
    let place = view.place();
    let forbidden = view.forbidden();
    let rest = place.rest.iter().filter_map(|id| Some((*id, *forbidden.get(id)?)));
    let rest: Vec<(Id, &Step)> = rest.collect();
    let descriptors = limits(view, &place);
    let mut failures: Vec<Failure> = rest.iter().map(|(_, step)| failure(step, view)).collect();
    let mut remedies = BTreeMap::<&Way, Remedy>::new();
    for (id, step) in &rest {
        if let Some(way) = remedy(step, view.words) {
            let known = remedies.entry(way).or_insert_with(|| Remedy {
                id: way.id.to_owned(),
                what: way.what.to_owned(),
                steps: BTreeSet::new(),
                names: BTreeSet::new(),
            });
            known.steps.insert(*id);
            known.names.extend(step.names.iter().map(name).take(NAMES));
            while known.names.len() > NAMES {
                known.names.pop_last();
            }
        }
    }
    failures.extend(late_uses(view, &place));
    let linux_only = view.confinement.steps.values().map(|step| &step.call).chain(
        view.confinement.roles.iter().flat_map(|(id, role)| {
            role.uses
                .keys()
                .filter(|key| view.after_main(&Event::Use(*id, (*key).clone())))
                .map(|key| &key.call)
        }),
    );
    Suggestion {
        forked,
        point: point(program, forked, view, &place),
        helpers: helpers(view, &remedies),
        close: close(view, forked),
        linux_only: linux_only.filter_map(|call| Some((call.clone(), without(call)?))).collect(),
        descriptors,
        remedies: remedies.into_values().collect(),
        failures,
        serving: serving(view, &place),
        cut: view.confinement.more,
    }
}

fn without(call: &str) -> Option<String> {
    match verdict(call) {
        Some((Verdict::Linux, _, reason)) => Some(reason.to_owned()),
        _ => None,
    }
}

fn point(program: &Text, forked: bool, view: &View<'_>, place: &Place) -> Point {
    let start = if forked { "at the start of the child" } else { "at the start of main" };
    let last = place.last.and_then(|id| Some((id, view.confinement.steps.get(&id)?)));
    let (at, chain) = match last {
        None => (start.to_owned(), Vec::new()),
        Some((_, step)) => (after(program, view, place, step), step.chain.clone()),
    };
    let why = if place.over {
        "it names things until its end and reads nothing after: capability mode protects little here"
    } else if place.started {
        "no place is before the repeated work: this one leaves the least to do"
    } else if place.rest.is_empty() {
        "no global name is used after it"
    } else {
        "global names are used until the end: of all places before the repeated work, the remedies \
         for what is used after this one are the least to do"
    };
    Point {
        place: at,
        chain,
        clean: place.rest.is_empty(),
        why: why.to_owned(),
        start_up: place.start_up.clone(),
    }
}

/// `after the second openat in main, called from run`.
fn after(program: &Text, view: &View<'_>, place: &Place, step: &Step) -> String {
    let mut frames = frames::own(program, &step.chain);
    let (first, second) = (frames.next(), frames.next());
    let same =
        place.start_up.iter().filter_map(|id| view.confinement.steps.get(id)).filter(|other| {
            other.call == step.call && frames::own(program, &other.chain).next() == first
        });
    let (least, most) =
        same.fold((0, 0), |(least, most), step| (least + step.times.0, most + step.times.1));
    let which = if least == most { ordinal(most) } else { "last ".to_owned() };
    let mut text = format!("after the {which}{}", step.call);
    if let Some(name) = step.names.first().filter(|_| step.names.len() == 1) {
        text += &format!(" ({})", self::name(name));
    }
    if let Some(first) = first {
        text += &format!(" in {first}");
    }
    if let Some(second) = second {
        text += &format!(", called from {second}");
    }
    text
}

/// `second `, and nothing where there is one only.
pub(crate) fn ordinal(count: u64) -> String {
    const WORDS: [&str; 10] = [
        "", "", "second ", "third ", "fourth ", "fifth ", "sixth ", "seventh ", "eighth ", "ninth ",
    ];
    let word = usize::try_from(count).ok().and_then(|count| WORDS.get(count));
    word.map_or_else(|| format!("{count}th "), |word| (*word).to_owned())
}

/// What a name is, for people: a path, an address, `a child`.
pub(crate) fn name(name: &Name) -> String {
    match name {
        Name::Path { path, .. } | Name::Exec { path } => path.to_string(),
        Name::Address { address, .. } => address.to_string(),
        Name::Pid { target } => format!("process: {target:?}").to_lowercase(),
        Name::Child => "a child".to_owned(),
        Name::Ipc { name } => name.as_ref().map_or("a System V key".to_owned(), Text::to_string),
        Name::Kernel => "the machine's state".to_owned(),
    }
}

/// The rights of each role that is held once main has begun.
fn limits(view: &View<'_>, place: &Place) -> Vec<Limit> {
    let mut taken = BTreeMap::<Id, (Taken, Taken)>::new();
    for (id, role) in &view.confinement.roles {
        let (all, past) = taken.entry(*id).or_default();
        for key in role.uses.keys() {
            let event = Event::Use(*id, key.clone());
            if view.after_main(&event) {
                all.add(role, key);
                if view.past(&event, &place.moments) {
                    past.add(role, key);
                }
            }
        }
    }
    inherit(&view.confinement.roles, &mut taken);
    let mut names = BTreeMap::<String, usize>::new();
    let mut limits = Vec::new();
    for (_, text, _, id, role) in in_order(view) {
        let (all, past) = &taken[id];
        let base = roles::variable(&text);
        let count = names.entry(base.clone()).or_default();
        *count += 1;
        let late = !matches!(role.source, Source::Inherited { .. })
            && view.confinement.timelines.iter().zip(&place.moments).all(|(timeline, moment)| {
                let made = timeline.0.get(&Event::Made(*id));
                made.is_none_or(|span| span.first > *moment)
            });
        limits.push(Limit {
            id: *id,
            role: text,
            variable: if *count == 1 { base } else { format!("{base}_{count}") },
            paths: role.paths.clone(),
            numbers: match role.source {
                Source::Inherited { .. } => role.numbers.clone(),
                _ => BTreeSet::new(),
            },
            chain: role.chain.clone(),
            late,
            from: role.from.clone(),
            rights: all.rights,
            narrowed: (past.rights != all.rights && !view.confinement.more).then_some(past.rights),
            fcntls: all.fcntls.clone(),
            ioctls: all.ioctls.clone(),
            uses: role
                .uses
                .keys()
                .filter(|key| view.after_main(&Event::Use(*id, (*key).clone())))
                .cloned()
                .collect(),
            inferred: all.inferred,
        });
    }
    limits
}

/// What it holds, as people would list it: the standard streams first. Ids say nothing to them, and
/// are others with another build of the program.
fn in_order<'a>(view: &'a View<'_>) -> Vec<(i32, String, &'a BTreeSet<Text>, &'a Id, &'a Role)> {
    let roles = view.confinement.roles.iter().filter(|(id, role)| held(view, **id, role));
    let mut roles: Vec<_> = roles
        .map(|(id, role)| {
            let stream = match role.source {
                Source::Inherited { standard: Some(number) } => number,
                _ => i32::MAX,
            };
            (stream, roles::describe(role), &role.paths, id, role)
        })
        .collect();
    roles.sort_by(|one, two| (one.0, &one.1, one.2, one.3).cmp(&(two.0, &two.1, two.2, two.3)));
    roles
}

/// A connection starts with the rights of the listening socket, and a file opened by a directory's
/// descriptor with those of the directory: so those must have what it takes.
fn inherit(roles: &BTreeMap<Id, Role>, taken: &mut BTreeMap<Id, (Taken, Taken)>) {
    // A chain of directories is as long as there are roles at most.
    for _ in 0..roles.len() {
        let mut changed = false;
        for (id, role) in roles {
            let (all, past) = taken[id].clone();
            for from in &role.from {
                if let Some(known) = taken.get_mut(from) {
                    let before = known.clone();
                    known.0.join(&all);
                    known.1.join(&past);
                    changed |= *known != before;
                }
            }
        }
        if !changed {
            return;
        }
    }
}

/// Whether it is there once main has begun: not what ld.so opens and closes before.
fn held(view: &View<'_>, id: Id, role: &Role) -> bool {
    match role.source {
        Source::Inherited { standard: Some(_) } => true,
        // What is inherited and never used is a matter of the launcher's.
        Source::Inherited { standard: None } => !role.uses.is_empty(),
        _ => {
            let used = role.uses.keys().any(|key| view.after_main(&Event::Use(id, key.clone())));
            used || view.after_main(&Event::Made(id))
        }
    }
}

fn failure(step: &Step, view: &View<'_>) -> Failure {
    let freebsd = verdict(&step.call).and_then(|(_, freebsd, _)| freebsd).unwrap_or(&step.call);
    let first = step.names.first();
    let ktrace = match (verdict(&step.call), first) {
        (Some((Verdict::Relative, ..)), Some(Name::Path { path, .. }))
            if path.as_bytes().starts_with(b"/") =>
        {
            format!("CAP   restricted VFS lookup: {path}")
        }
        (Some((Verdict::Own, ..)), _) if freebsd == "kill" => {
            "CAP   process signal delivery not allowed".to_owned()
        }
        (_, Some(Name::Address { address, .. })) if freebsd == "sendmsg" => {
            format!("CAP   restricted address lookup: {address}")
        }
        _ => format!("CAP   system call not allowed: {freebsd}"),
    };
    let more = match step.names.len() {
        0 | 1 => String::new(),
        count => format!(" (and {}{} more names)", count - 1, if step.more { " or" } else { "" }),
    };
    let shown = first.map(name).filter(|text| !ktrace.contains(text.as_str()));
    let shown = shown.map(|text| format!(" # {text}")).unwrap_or_default();
    Failure {
        error: "ECAPMODE".to_owned(),
        call: step.call.clone(),
        ktrace: format!("{ktrace}{shown}{more}"),
        chain: step.chain.clone(),
        remedy: remedy(step, view.words).map(|way| way.id.to_owned()),
    }
}

/// Uses of descriptors that fail past the point whatever their rights.
fn late_uses(view: &View<'_>, place: &Place) -> Vec<Failure> {
    let mut failures = Vec::new();
    for (id, role) in &view.confinement.roles {
        for (key, chain) in &role.uses {
            let event = Event::Use(*id, key.clone());
            if use_is_forbidden(view, *id, key)
                && view.after_main(&event)
                && view.past(&event, &place.moments)
            {
                failures.push(Failure {
                    error: "ECAPMODE".to_owned(),
                    call: key.call.clone(),
                    ktrace: format!("CAP   system call not allowed: {}", key.call),
                    chain: chain.clone(),
                    remedy: Some("directory".to_owned()),
                });
            }
        }
    }
    failures
}

/// What capsicum_helpers(3) has for this program.
fn helpers(view: &View<'_>, remedies: &BTreeMap<&Way, Remedy>) -> BTreeMap<String, String> {
    let mut helpers = BTreeMap::new();
    helpers.insert(
        "caph_enter".to_owned(),
        "it enters, and is content where the kernel has no Capsicum".to_owned(),
    );
    if remedies.keys().any(|way| way.id.starts_with("cap-") || way.id == "fileargs") {
        helpers.remove("caph_enter");
        helpers.insert(
            "caph_enter_casper".to_owned(),
            "it enters, where the Casper services are there".to_owned(),
        );
    }
    for (id, call, why) in [
        ("caph-cache-tzdata", "caph_cache_tzdata", "the time zone is read"),
        ("caph-cache-catpages", "caph_cache_catpages", "message catalogues or locales are read"),
    ] {
        // Also where the run read them before the point: another may do so after.
        let seen = view.forbidden().values().any(|step| remedy(step, view.words) == way(id));
        if seen {
            helpers.insert(call.to_owned(), why.to_owned());
        }
    }
    // Each for itself: rights never grow, and caph_limit_stdio would ask for more than is left to a
    // stream that has its own limit already.
    for (number, call, what) in [
        (0, "caph_limit_stdin", "input"),
        (1, "caph_limit_stdout", "output"),
        (2, "caph_limit_stderr", "error"),
    ] {
        let stream = Source::Inherited { standard: Some(number) };
        let mut roles = view.confinement.roles.iter().filter(|(_, role)| role.source == stream);
        let idle = |(id, role): (&Id, &Role)| {
            !role.uses.keys().any(|key| view.after_main(&Event::Use(*id, key.clone())))
        };
        if roles.next().is_some_and(idle) {
            let why = format!("standard {what} is not used, and libc may still come to it");
            helpers.insert(call.to_owned(), why);
        }
    }
    helpers
}

/// The calls past the point, where they were recorded.
fn serving(view: &View<'_>, place: &Place) -> Option<Serving> {
    let timelines = view.confinement.timelines.iter();
    let calls: BTreeSet<Sysno> = timelines
        .flat_map(|timeline| timeline.0.keys())
        .filter_map(|event| match event {
            Event::Call(sysno) => Some(*sysno),
            _ => None,
        })
        .collect();
    let (past, before): (BTreeSet<Sysno>, BTreeSet<Sysno>) =
        calls.into_iter().partition(|sysno| view.past(&Event::Call(*sysno), &place.moments));
    if past.is_empty() && before.is_empty() {
        return None;
    }
    let strict = fits_strict_mode(&past);
    Some(Serving { calls: past, start_up: before, strict })
}

/// seccomp(2), SECCOMP_SET_MODE_STRICT: it has exit and no exit_group, which libc ends with.
pub(crate) fn fits_strict_mode(calls: &BTreeSet<Sysno>) -> bool {
    let strict = ["read", "write", "exit", "rt_sigreturn", "sigreturn", "exit_group"];
    calls.iter().all(|sysno| sysno.name().is_some_and(|name| strict.contains(&name)))
}

/// What came from the launcher and was not used.
fn close(view: &View<'_>, forked: bool) -> Vec<String> {
    if forked {
        return Vec::new();
    }
    let idle = view.confinement.roles.values().filter(|role| {
        role.source == (Source::Inherited { standard: None }) && role.uses.is_empty()
    });
    idle.map(|role| {
        let numbers: Vec<String> = role.numbers.iter().map(i32::to_string).collect();
        let paths: Vec<String> = role.paths.iter().map(Text::to_string).collect();
        let what = if paths.is_empty() { roles::describe(role) } else { paths.join(", ") };
        format!("{}: {what}", numbers.join(", "))
    })
    .collect()
}

/// Whether any right is more than this use takes: what [`super::replay()`] compares.
pub(crate) fn suffices(
    rights: Rights,
    narrowed: Option<Rights>,
    needed: Rights,
    past: bool,
) -> bool {
    rights.contains(needed) && (!past || narrowed.is_none_or(|narrowed| narrowed.contains(needed)))
}

/// The steps of a program that a place leaves, for the report.
pub(crate) fn only_at_start(confinement: &Confinement, point: &Point) -> Vec<String> {
    let steps = point.start_up.iter().filter_map(|id| confinement.steps.get(id));
    let names =
        steps.filter(|step| is_forbidden(step)).flat_map(|step| step.names.iter().map(name));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
