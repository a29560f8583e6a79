//! Images that are over: alike ones once, and past a bound one for each program.

use super::image::{Growing, merge};
use model::{
    Text, Trace,
    descriptor::{Descriptor, Image, NameUse},
    trace::Cut,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

/// The images of a run that are over.
#[derive(Debug, Default)]
pub struct Folded {
    listed: Vec<Image>,
    /// Places in the list, by what those look like.
    index: HashMap<u64, Vec<usize>>,
    /// What did not find a place there, by program and whether it was forked.
    sums: BTreeMap<(u32, bool), Image>,
    cut: BTreeSet<(u32, &'static str, u64)>,
}

impl Folded {
    /// Adds an image.
    pub fn add(&mut self, growing: Growing) {
        let (descriptors, names) = growing.cut();
        let program = growing.program as u32;
        if descriptors {
            self.cut.insert((program, "descriptors", Growing::BOUNDS.0));
        }
        if names {
            self.cut.insert((program, "global names in their order", Growing::BOUNDS.1));
        }
        let image = growing.finish();
        let places = self.index.entry(looks(&image)).or_default();
        let alike = |&&at: &&usize| {
            let known = &self.listed[at];
            Image { process: known.process, count: known.count, ..image.clone() } == *known
        };
        if let Some(&at) = places.iter().find(alike) {
            self.listed[at].count += 1;
        } else if self.listed.len() < Trace::IMAGES_BOUND {
            places.push(self.listed.len());
            self.listed.push(image);
        } else {
            self.cut.insert((program, "images", Trace::IMAGES_BOUND as u64));
            let forked = image.forked;
            match self.sums.get_mut(&(program, forked)) {
                Some(sum) => add(sum, image),
                None => {
                    self.sums.insert((program, forked), image);
                }
            }
        }
    }

    /// The trace's list, and what was cut. `places`: where the recorder's programs came to be.
    pub fn finish(self, places: &[u32], paths: &[Text]) -> (Vec<Image>, Vec<Cut>) {
        let mut images: Vec<Image> =
            self.listed.into_iter().chain(self.sums.into_values()).collect();
        // In the order in which they began: of processes, and of images within one.
        images.sort_by_key(|image| image.process);
        for image in &mut images {
            image.program = places.get(image.program as usize).copied().unwrap_or_default();
        }
        let cuts = self.cut.into_iter().map(|(program, what, bound)| {
            let unknown = Text::from("[unknown]");
            let path = paths.get(program as usize).unwrap_or(&unknown);
            Cut { what: format!("{what} of {path}"), bound }
        });
        (images, cuts.collect())
    }
}

/// A number that images which are alike have in common.
fn looks(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    (image.program, image.forked, image.clock, image.entered_main).hash(&mut hasher);
    for descriptor in &image.descriptors {
        (descriptor.made, descriptor.closed, descriptor.count, descriptor.uses.len())
            .hash(&mut hasher);
    }
    image.names.iter().for_each(|name| (&name.what, name.first, name.last).hash(&mut hasher));
    hasher.finish()
}

/// Adds an image to the sum of those of its program. Ticks of different images say only how early
/// and how late; nothing is lost of what was done.
fn add(sum: &mut Image, image: Image) {
    sum.count += image.count;
    sum.clock = sum.clock.max(image.clock);
    sum.entered_main = sum.entered_main.zip(image.entered_main).map(|(one, other)| one.min(other));
    for descriptor in image.descriptors {
        let same = |known: &&mut Descriptor| {
            std::mem::discriminant(&known.origin) == std::mem::discriminant(&descriptor.origin)
                && known.object == descriptor.object
                && known.stack == descriptor.stack
        };
        match sum.descriptors.iter_mut().find(same) {
            Some(known) => merge(known, descriptor),
            None => sum.descriptors.push(without_reference(descriptor)),
        }
    }
    for (call, (first, last)) in image.calls {
        let known = sum.calls.entry(call).or_insert((first, last));
        *known = (known.0.min(first), known.1.max(last));
    }
    for name in image.names {
        let same = |known: &&mut NameUse| {
            known.call == name.call && known.what == name.what && known.stack == name.stack
        };
        match sum.names.iter_mut().find(same) {
            Some(known) => {
                known.first = known.first.min(name.first);
                known.last = known.last.max(name.last);
                known.count += name.count;
                known.ok += name.ok;
            }
            None => sum.names.push(name),
        }
    }
}

/// In another image's list its reference would mean another descriptor.
fn without_reference(mut descriptor: Descriptor) -> Descriptor {
    super::image::forget_reference(&mut descriptor.origin);
    descriptor
}
