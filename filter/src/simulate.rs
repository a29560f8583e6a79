//! Runs a filter on one call, with the kernel's semantics.

use crate::{
    Action, Program, SeccompData, data,
    insn::{Alu, Op, Operand, Reg},
    program::CELLS,
};

/// What the filter returns for the call.
pub fn simulate(program: &Program, data: &SeccompData) -> u32 {
    run(program, data, |_| {})
}

/// What happens to the call.
pub fn verdict(program: &Program, data: &SeccompData) -> Action {
    Action::of(simulate(program, data))
}

/// What the filter returns for the call, and the places of the instructions that were run.
pub fn simulate_path(program: &Program, data: &SeccompData) -> (u32, Vec<usize>) {
    let mut path = Vec::new();
    let value = run(program, data, |at| path.push(at));
    (value, path)
}

#[derive(Default)]
struct Machine {
    a: u32,
    x: u32,
    cells: [u32; CELLS],
}

impl Machine {
    fn register(&mut self, reg: Reg) -> &mut u32 {
        match reg {
            Reg::A => &mut self.a,
            Reg::X => &mut self.x,
        }
    }

    fn operand(&self, operand: Operand) -> u32 {
        match operand {
            Operand::K(k) => k,
            Operand::X => self.x,
        }
    }
}

fn run(program: &Program, data: &SeccompData, mut visit: impl FnMut(usize)) -> u32 {
    let mut machine = Machine::default();
    let mut at = 0;
    // A `Program` always decodes, stays inside its bounds and ends: what else is found here kills,
    // as an unknown value does.
    while let Some(op) = program.insns().get(at).and_then(|insn| insn.decode()) {
        visit(at);
        at += 1;
        match op {
            Op::LoadWord(offset) => machine.a = data.word(offset).unwrap_or_default(),
            Op::LoadLen(reg) => *machine.register(reg) = data::SIZE,
            Op::LoadImm(reg, k) => *machine.register(reg) = k,
            Op::LoadMem(reg, cell) => *machine.register(reg) = machine.cells[cell as usize % CELLS],
            Op::Store(reg, cell) => {
                machine.cells[cell as usize % CELLS] = *machine.register(reg);
            }
            Op::Alu(alu, operand) => match arithmetic(alu, machine.a, machine.operand(operand)) {
                Some(result) => machine.a = result,
                // A division by X = 0 ends the filter with 0 (bpf_convert_filter).
                None => return 0,
            },
            Op::Neg => machine.a = machine.a.wrapping_neg(),
            Op::Tax => machine.x = machine.a,
            Op::Txa => machine.a = machine.x,
            Op::Jump(distance) => at += distance as usize,
            Op::Branch { cond, operand, jt, jf } => {
                let holds = cond.holds(machine.a, machine.operand(operand));
                at += usize::from(if holds { jt } else { jf });
            }
            Op::Return(value) => return value.unwrap_or(machine.a),
        }
    }
    Action::KillProcess.value()
}

/// `None` for a division by zero.
fn arithmetic(alu: Alu, a: u32, operand: u32) -> Option<u32> {
    let result = match alu {
        Alu::Add => a.wrapping_add(operand),
        Alu::Sub => a.wrapping_sub(operand),
        Alu::Mul => a.wrapping_mul(operand),
        Alu::Div => a.checked_div(operand)?,
        Alu::Or => a | operand,
        Alu::And => a & operand,
        // Only the low 5 bits of X count, as in the eBPF that the kernel makes of it.
        Alu::Lsh => a.wrapping_shl(operand),
        Alu::Rsh => a.wrapping_shr(operand),
        Alu::Xor => a ^ operand,
    };
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Insn;

    const CALL: SeccompData =
        SeccompData { nr: 39, arch: 0xc000_003e, instruction_pointer: 0, args: [1, 2, 3, 4, 5, 6] };

    /// Runs `A = a; X = x; code k; ret A`.
    fn result(a: u32, x: u32, code: u16, k: u32) -> u32 {
        let insn = |code, k| Insn { code, jt: 0, jf: 0, k };
        let insns = vec![insn(0x00, a), insn(0x01, x), insn(code, k), insn(0x16, 0)];
        simulate(&Program::new(insns).unwrap(), &CALL)
    }

    #[test]
    fn arithmetic_is_that_of_the_kernel() {
        assert_eq!(result(u32::MAX, 0, 0x04, 2), 1);
        assert_eq!(result(1, 0, 0x14, 2), u32::MAX);
        assert_eq!(result(0x8000_0001, 0, 0x24, 2), 2);
        assert_eq!(result(9, 2, 0x3c, 0), 4);
        assert_eq!(result(9, 0, 0x3c, 0), 0);
        assert_eq!(result(1, 33, 0x6c, 0), 2);
        assert_eq!(result(4, 33, 0x7c, 0), 2);
        assert_eq!(result(1, 0, 0x84, 0), u32::MAX);
        assert_eq!(result(5, 0, 0xa4, 1), 4);
        assert_eq!(result(0, 7, 0x87, 0), 7);
        assert_eq!(result(0, 0, 0x80, 0), 64);
        assert_eq!(result(0, 0, 0x20, 24), 2);
    }

    #[test]
    fn the_path_is_what_ran() {
        let insns = vec![Insn::load(0), Insn::jump(1), Insn::ret(1), Insn::ret(2)];
        let program = Program::new(insns).unwrap();
        assert_eq!(simulate_path(&program, &CALL), (2, vec![0, 1, 3]));
        assert_eq!(verdict(&program, &CALL), Action::KillThread);
    }
}
