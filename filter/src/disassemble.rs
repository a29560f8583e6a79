//! Writes a filter as text for people: bpf_asm's mnemonics, and what they mean here.
//!
//! ```text
//! l0:   ld [4]                            ; architecture
//! l1:   jeq #0xc000003e, l2, l9           ; x86_64
//! ```

use crate::{
    Action, Program,
    data::{self, ARCH, NUMBER},
    insn::{Alu, Cond, Op, Operand, Reg},
    known::Known,
};
use model::{Arch, Sysno, X32_BIT};
use std::fmt::Write as _;

/// The program, one instruction a line, with a comment where the meaning is known.
pub fn disassemble(program: &Program) -> String {
    let insns = program.insns();
    let mut known: Vec<Option<Known>> = vec![None; insns.len()];
    let mut text = String::new();
    for (at, insn) in insns.iter().enumerate() {
        let here = known[at].unwrap_or_default();
        let Some(op) = insn.decode() else { continue };
        let label = format!("l{at}:");
        let comment = comment(op, &here);
        let mnemonic = mnemonic(at, op);
        let line = match comment.is_empty() {
            true => format!("{label:<6} {mnemonic}"),
            false => format!("{label:<6} {mnemonic:<32} ; {comment}"),
        };
        let _ = writeln!(text, "{line}");
        for (next, there) in here.after(at, op) {
            if let Some(slot) = known.get_mut(next) {
                *slot = Some(slot.map_or(there, |other| other.join(there)));
            }
        }
    }
    text
}

fn mnemonic(at: usize, op: Op) -> String {
    let target = |skip: usize| at + 1 + skip;
    let register = |reg, a, x| match reg {
        Reg::A => a,
        Reg::X => x,
    };
    match op {
        Op::LoadWord(offset) => format!("ld [{offset}]"),
        Op::LoadLen(reg) => format!("{} len", register(reg, "ld", "ldx")),
        Op::LoadImm(reg, k) => format!("{} #{k:#x}", register(reg, "ld", "ldx")),
        Op::LoadMem(reg, cell) => format!("{} M[{cell}]", register(reg, "ld", "ldx")),
        Op::Store(reg, cell) => format!("{} M[{cell}]", register(reg, "st", "stx")),
        Op::Alu(alu, operand_) => format!("{} {}", alu_name(alu), operand(operand_)),
        Op::Neg => "neg".to_owned(),
        Op::Tax => "tax".to_owned(),
        Op::Txa => "txa".to_owned(),
        Op::Jump(skip) => format!("ja l{}", target(skip as usize)),
        Op::Branch { cond, operand: right, jt, jf } => {
            let name = match cond {
                Cond::Eq => "jeq",
                Cond::Gt => "jgt",
                Cond::Ge => "jge",
                Cond::Set => "jset",
            };
            let (yes, no) = (target(jt.into()), target(jf.into()));
            format!("{name} {}, l{yes}, l{no}", operand(right))
        }
        Op::Return(Some(value)) => format!("ret #{value:#x}"),
        Op::Return(None) => "ret a".to_owned(),
    }
}

fn alu_name(alu: Alu) -> &'static str {
    match alu {
        Alu::Add => "add",
        Alu::Sub => "sub",
        Alu::Mul => "mul",
        Alu::Div => "div",
        Alu::Or => "or",
        Alu::And => "and",
        Alu::Lsh => "lsh",
        Alu::Rsh => "rsh",
        Alu::Xor => "xor",
    }
}

fn operand(operand: Operand) -> String {
    match operand {
        Operand::K(k) => format!("#{k:#x}"),
        Operand::X => "x".to_owned(),
    }
}

/// What the operation means, as far as that is known here.
fn comment(op: Op, known: &Known) -> String {
    match (op, known.word) {
        (Op::LoadWord(offset), _) => {
            let field = data::field(known.audit, offset);
            match known.number().and_then(|number| name(known, number)) {
                Some(call) => format!("{field} of {call}"),
                None => field,
            }
        }
        (Op::Branch { cond: Cond::Eq, operand: Operand::K(audit), .. }, Some(ARCH)) => {
            let arch = Arch::ALL.iter().find(|arch| arch.audit() == audit);
            arch.map(|arch| arch.name().to_owned()).unwrap_or_default()
        }
        (Op::Branch { cond, operand: Operand::K(number), .. }, Some(NUMBER)) => {
            numbers(known, cond, number)
        }
        (Op::Return(Some(value)), _) => Action::of(value).to_string(),
        _ => String::new(),
    }
}

/// What a comparison of the number asks.
fn numbers(known: &Known, cond: Cond, number: u32) -> String {
    let is_x86_64 = known.audit == Some(Arch::X86_64.audit());
    match (cond, name(known, number)) {
        (Cond::Ge, _) if number == X32_BIT && is_x86_64 => "from x32 on".to_owned(),
        (Cond::Eq, Some(call)) => call,
        (Cond::Ge, Some(call)) => format!("from {call} on"),
        (Cond::Gt, Some(call)) => format!("after {call}"),
        (Cond::Ge, None) => match number.checked_sub(1).and_then(|last| name(known, last)) {
            Some(call) => format!("after {call}"),
            None => String::new(),
        },
        _ => String::new(),
    }
}

/// The name of a call, with its architecture where the audit value does not tell it.
fn name(known: &Known, number: u32) -> Option<String> {
    let sysno = Sysno::from_audit(known.audit?, number)?;
    match (sysno.arch(), sysno.name()?) {
        (Arch::X32, _) => Some(format!("{sysno:#}")),
        (_, name) => Some(name.to_owned()),
    }
}
