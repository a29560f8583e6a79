//! Arithmetic on values.

use crate::{
    decode::{Arithmetic, mask},
    value::{Atom, Sets, Value},
};

/// More pairs of sources are not computed with.
const PAIRS_MAX: usize = 64;

/// `left what right`, of so many bytes.
pub fn compute(sets: &mut Sets, what: Arithmetic, left: Value, right: Value, width: u8) -> Value {
    let plain = match what {
        Arithmetic::AddCarry => Some((Arithmetic::Add, 1)),
        Arithmetic::SubBorrow => Some((Arithmetic::Sub, 1)),
        _ => None,
    };
    if let Some((what, more)) = plain {
        let without = compute(sets, what, left, right, width);
        let with = compute(sets, what, without, Value::number(more), width);
        return sets.join(without, with);
    }
    if let (Value::One(left), Value::One(right)) = (left, right) {
        return Value::One(cut(combine(what, left, right), width));
    }
    let (lefts, rights) = (sets.atoms(&left).to_vec(), sets.atoms(&right).to_vec());
    // What was joined and then changed is most often the counter of a loop: it takes any value.
    if lefts.len() * rights.len() > PAIRS_MAX || (rights.len() == 1 && lefts.len() > 2) {
        return Value::ANY;
    }
    let pairs = lefts.iter().flat_map(|&left| rights.iter().map(move |&right| (left, right)));
    let found = pairs.map(|(left, right)| cut(combine(what, left, right), width)).collect();
    sets.of(found)
}

fn cut(atom: Atom, width: u8) -> Atom {
    match atom {
        Atom::Const(value) if width == 4 => Atom::Const(value & mask(4)),
        Atom::Stack(_) if width == 4 => Atom::Any,
        other => other,
    }
}

fn combine(what: Arithmetic, a: Atom, b: Atom) -> Atom {
    use Arithmetic::{Add, And, Neg, Not, Or, Shl, Shr, Sub, Xor};
    match (what, a, b) {
        (Add, Atom::Element(table, 4, true), Atom::Address(base))
        | (Add, Atom::Address(base), Atom::Element(table, 4, true)) => Atom::Distance(table, base),
        (Add, a, Atom::Const(number)) => add_number(a, number as i64),
        (Add, Atom::Const(number), b) => add_number(b, number as i64),
        (Sub, a, Atom::Const(number)) => add_number(a, (number as i64).wrapping_neg()),
        // Aligning the stack: where exactly it is does not matter, as long as it is one place.
        (And, Atom::Stack(at), Atom::Const(_)) => Atom::Stack(at),
        (And, Atom::Const(a), Atom::Const(b)) => Atom::Const(a & b),
        (Or, Atom::Const(a), Atom::Const(b)) => Atom::Const(a | b),
        (Or, _, Atom::Const(u64::MAX)) => Atom::Const(u64::MAX),
        (Xor, Atom::Const(a), Atom::Const(b)) => Atom::Const(a ^ b),
        (Shl, Atom::Const(a), Atom::Const(b)) => Atom::Const(a << (b & 63)),
        (Shr, Atom::Const(a), Atom::Const(b)) => Atom::Const(a >> (b & 63)),
        (Neg, Atom::Const(a), _) => Atom::Const(a.wrapping_neg()),
        (Not, Atom::Const(a), _) => Atom::Const(!a),
        _ => Atom::Any,
    }
}

/// A number added to what can be followed through it.
pub fn add_number(atom: Atom, number: i64) -> Atom {
    match atom {
        Atom::Const(value) => Atom::Const(value.wrapping_add_signed(number)),
        Atom::Address(address) => Atom::Address(address.wrapping_add_signed(number)),
        Atom::Stack(at) => {
            i32::try_from(i64::from(at).saturating_add(number)).map_or(Atom::Any, Atom::Stack)
        }
        atom if number == 0 => atom,
        _ => Atom::Any,
    }
}
