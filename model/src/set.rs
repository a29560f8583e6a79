//! Sets that take little room: of what files are and what was done to them, as a run may name a
//! hundred thousand.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeSet, btree_set},
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
};

/// A word of a table that has at most 32.
pub trait Word: Copy + fmt::Debug + 'static {
    /// All of them, in their order.
    const ALL: &'static [Self];

    /// Where it stands among them.
    fn place(self) -> usize;
}

/// A set of words of one table: a bit for each. In JSON it is a list, in the order of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words<T> {
    bits: u32,
    of: PhantomData<T>,
}

impl<T: Word> Words<T> {
    fn bit(word: T) -> u32 {
        const { assert!(T::ALL.len() <= 32) };
        1 << word.place()
    }

    /// Whether it is one of them.
    pub fn contains(&self, word: &T) -> bool {
        self.bits & Words::bit(*word) != 0
    }

    /// Adds one. Whether it is new.
    pub fn insert(&mut self, word: T) -> bool {
        let before = self.bits;
        self.bits |= Words::bit(word);
        self.bits != before
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Whether all of them are in `other`.
    pub fn is_subset(&self, other: &Words<T>) -> bool {
        self.bits & !other.bits == 0
    }

    /// Those that are not in `other`.
    pub fn without(self, other: Words<T>) -> Words<T> {
        Words { bits: self.bits & !other.bits, ..self }
    }

    /// Each, in the order of the table.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { left: self.bits, of: PhantomData }
    }
}

/// The words of a set, in the order of their table.
#[derive(Debug, Clone)]
pub struct Iter<'a, T> {
    left: u32,
    of: PhantomData<&'a T>,
}

impl<'a, T: Word> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        // Without bits this is past the table.
        let word = T::ALL.get(self.left.trailing_zeros() as usize)?;
        self.left &= self.left - 1;
        Some(word)
    }
}

impl<'a, T: Word> IntoIterator for &'a Words<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> Default for Words<T> {
    fn default() -> Words<T> {
        Words { bits: 0, of: PhantomData }
    }
}

impl<T: Word> fmt::Debug for Words<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Word> Extend<T> for Words<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, words: I) {
        words.into_iter().for_each(|word| self.bits |= Words::bit(word));
    }
}

impl<'a, T: Word> Extend<&'a T> for Words<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, words: I) {
        self.extend(words.into_iter().copied());
    }
}

impl<T: Word> FromIterator<T> for Words<T> {
    fn from_iter<I: IntoIterator<Item = T>>(words: I) -> Words<T> {
        let mut set = Words::default();
        set.extend(words);
        set
    }
}

impl<T: Word, const N: usize> From<[T; N]> for Words<T> {
    fn from(words: [T; N]) -> Words<T> {
        words.into_iter().collect()
    }
}

impl<T: Word + Serialize> Serialize for Words<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Word + Deserialize<'de>> Deserialize<'de> for Words<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Words<T>, D::Error> {
        Ok(Vec::<T>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// A set that is mostly the same for many: there it is kept once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shared<T>(Arc<BTreeSet<T>>);

impl<T: Ord + Clone> Shared<T> {
    /// Adds one, for this holder alone.
    pub fn insert(&mut self, item: T) {
        if !self.0.contains(&item) {
            Arc::make_mut(&mut self.0).insert(item);
        }
    }

    /// Adds all of another.
    pub fn join(&mut self, other: &Shared<T>) {
        if self.0.is_empty() {
            self.0 = other.0.clone();
        } else if !Arc::ptr_eq(&self.0, &other.0) && !other.0.is_subset(&self.0) {
            Arc::make_mut(&mut self.0).extend(other.0.iter().cloned());
        }
    }
}

impl<T> Deref for Shared<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &BTreeSet<T> {
        &self.0
    }
}

impl<'a, T> IntoIterator for &'a Shared<T> {
    type Item = &'a T;
    type IntoIter = btree_set::Iter<'a, T>;

    fn into_iter(self) -> btree_set::Iter<'a, T> {
        self.0.iter()
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared(Arc::new(BTreeSet::new()))
    }
}

impl<T> From<BTreeSet<T>> for Shared<T> {
    fn from(set: BTreeSet<T>) -> Shared<T> {
        Shared(Arc::new(set))
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BTreeSet::serialize(self, serializer)
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shared<T>, D::Error> {
        BTreeSet::deserialize(deserializer).map(Shared::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, trace::FileKind};

    #[test]
    fn words_stand_at_their_places() {
        fn check<T: Word + PartialEq>() {
            for (at, word) in T::ALL.iter().enumerate() {
                assert_eq!(word.place(), at);
                assert_eq!(Vec::from_iter(Words::from([*word]).iter()), [word]);
            }
        }
        check::<Access>();
        check::<FileKind>();
    }

    #[test]
    fn a_set_of_words_is_written_and_read_as_any_set() {
        let words = [Access::Watch, Access::Read, Access::Watch];
        let (few, plain) = (Words::from(words), BTreeSet::from(words));
        let json = serde_json::to_string(&few).unwrap();
        assert_eq!(json, serde_json::to_string(&plain).unwrap());
        assert_eq!(serde_json::from_str::<Words<Access>>(&json).unwrap(), few);
        assert!(few.iter().eq(&plain) && few.contains(&Access::Read));
        assert_eq!(few.without(Words::from([Access::Read])), Words::from([Access::Watch]));
    }

    #[test]
    fn who_adds_to_a_shared_set_adds_for_himself() {
        let one = Shared::from(BTreeSet::from([1]));
        let mut other = one.clone();
        other.join(&Shared::from(BTreeSet::from([2])));
        assert_eq!((one.len(), other.len()), (1, 2));
        other.join(&one);
        assert_eq!(other.len(), 2);
    }
}
