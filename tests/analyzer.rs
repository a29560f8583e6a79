//! The analyzer's pitfalls, one small program each: what is predicted of it is what its source says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::analysis::{Layer, Phase};
use support::pitfall::{self, Pitfall};
use support::{analysis, find_program, fixtures, skip};

/// One test per program, named after it; one that is missing here fails `every_program_has_its_test`.
macro_rules! pitfall_tests {
    ($($name:ident)*) => {
        $(#[test] #[allow(non_snake_case, reason = "options of compilers")] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_program_has_its_test() {
            let tested: std::collections::BTreeSet<String> = [$(stringify!($name).to_owned()),*].into();
            assert_eq!(tested, pitfall::names());
        }
    };
}

fn check(name: &str) {
    if std::env::consts::ARCH != "x86_64" {
        return skip("the programs are for x86_64");
    }
    let pitfall = Pitfall::load(name);
    let open = open().into_iter().find(|(known, _)| known == name);
    match (pitfall.check(), open) {
        (Err(why), _) => skip(&why),
        (Ok(wrong), Some((_, reason))) => {
            assert!(!wrong.is_empty(), "{name} is right by now: take it out of pitfalls/open.tsv");
            println!("open: {reason}\n  {}", wrong.join("\n  "));
        }
        (Ok(wrong), None) => assert!(
            wrong.is_empty(),
            "the analysis of {name} ({}):\n  {}",
            pitfall.source().display(),
            wrong.join("\n  ")
        ),
    }
}

/// What the analyzer does not get right yet, each with the reason: the rows of `pitfalls/open.tsv`.
fn open() -> Vec<(String, String)> {
    let path = support::tests_dir().join("pitfalls/open.tsv");
    let text = std::fs::read_to_string(path).expect("read open.tsv");
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| {
        let (name, reason) = line.split_once('\t').unwrap_or_else(|| panic!("open.tsv: {line}"));
        (name.to_owned(), reason.to_owned())
    };
    rows.map(row).collect()
}

#[test]
fn what_is_open_is_a_program_and_has_a_reason() {
    let names = pitfall::names();
    for (name, reason) in open() {
        assert!(names.contains(&name), "open.tsv: no program {name}");
        assert!(reason.len() > 20, "open.tsv: no reason for {name}");
    }
}

#[test]
fn the_names_are_those_of_the_analysis() {
    for name in ["numbers_beyond", "int80_gate", "empty_musl"] {
        let executable = match fixtures::build(name) {
            Ok(executable) => executable,
            Err(why) => return skip(&why),
        };
        let program = analysis::analyse(&executable, &[]).unwrap();
        let mut labels: Vec<String> =
            program.calls.keys().map(|call| analysis::label(*call)).collect();
        let mut names = analysis::names(&executable);
        labels.sort();
        names.sort();
        assert_eq!(names, labels, "{name}");
    }
}

/// The best that others reach, without start-up code, name service and plugins; the naive scan of all sites of the
/// closure gives 291 for each but the first.
const TIGHT: [(&str, usize); 5] =
    [("ls", 87), ("sqlite3", 118), ("redis-server", 133), ("nginx", 126), ("memcached", 122)];

#[test]
fn predictions_are_no_wider_than_the_best_known() {
    let mut wide = Vec::new();
    for (name, bound) in TIGHT {
        let Some(path) = find_program(name) else { return skip(&format!("no {name}")) };
        let program = analysis::analyse(&analysis::real(&path), &[]).unwrap();
        let compared = program
            .calls
            .values()
            .filter(|call| call.layer == Layer::Core && call.phase != Phase::BeforeMain);
        let count = compared.count();
        println!("{name}: {count} of {} calls, bound {bound}", program.calls.len());
        if count > bound {
            wide.push(format!("{name}: {count} calls, not {bound} at most"));
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("; "));
}

pitfall_tests! {
    arguments_O0 arguments_O2 branchless callback_atexit callback_atexit_musl
    callback_atexit_static callback_atfork callback_bsearch callback_bsearch_musl callback_clone
    callback_clone_musl callback_key callback_nftw callback_objects callback_once callback_once_musl
    callback_qsort callback_qsort_static callback_quick_exit callback_scandir callback_signal
    callback_signal_musl callback_signal_static callback_stream callback_stream_musl callback_stream_static
    callback_thread callback_thread_musl callback_thread_static callback_timer callback_tree cancellable
    cancellable_musl cancellable_static clocks clocks_musl clocks_static cold_part cold_part_stripped
    computed_number_O0 computed_number_O2 constructors constructors_musl constructors_static
    constructors_static_pie converts copied data_in_text data_in_text_stripped dead_code_O0 dead_code_O2 empty
    empty_musl empty_musl_dynamic empty_no_pie empty_static empty_static_pie empty_static_stripped
    empty_stripped exceptions exceptions_O0 exceptions_static executes executes_computed executes_musl
    executes_static fallback_O0 fallback_O2 frame_pointer generated_mmap generated_mmap_static
    generated_mprotect generated_not global_objects global_objects_static go_cgo go_empty go_raw go_raw_pie
    go_raw_stripped gold hello_glibc hello_glibc_static hello_glibc_static_pie hello_musl_static ifunc
    ifunc_no_pie ifunc_static ifunc_static_pie indirect_handed indirect_handed_O0 indirect_narrowed
    indirect_narrowed_O0 indirect_variable int80_gate interposition interposition_no_pie jump_table
    jump_table_O0 jump_table_cet jump_table_odd jump_table_pie jump_table_unbounded jump_table_unbounded_pie
    jump_table_unchecked
    jumps jumps_static large_model large_model_O0 large_model_pie last_call last_call_stripped library_order library_symbolic lto marked
    marked_O0 marked_musl marked_static marked_static_pie marked_static_stripped member_pointer_O0
    member_pointer_O2 missing_library no_code no_end no_sections no_sections_libc no_table no_unwind noreturn noreturn_stripped
    number_in_struct_O0 number_in_struct_O2 numbers_beyond objects objects_O0 objects_static odd_loads
    opened_computed opened_constant opens opens_static operations_O0 operations_O2 operations_pie overlap parts
    pointer_travels_O0 pointer_travels_O2 pointers_constant pointers_constant_O0 pointers_constant_pie
    pointers_relative pointers_relr pointers_stored pointers_stored_pie pointers_writable pointers_writable_pie
    preinit preinit_old preinit_static preloads pruned_flag_O0 pruned_flag_O2 push_ret recursion_O0 recursion_O2
    retpoline retpoline_inline rust_bare rust_bare_O3 rust_empty rust_empty_static rust_std rust_std_O3
    rust_std_static sections services services_static setxid setxid_musl setxid_static size smallest smallest_stripped sockets sockets_musl
    sockets_static spawns spawns_musl spawns_static stack_number_O0 stack_number_O1 stack_number_O2
    stack_number_O3 switch_number_O0 switch_number_O2 switch_number_pie symbol_computed syscall_function
    syscall_function_O0 syscall_function_musl syscall_function_no_plt syscall_function_static syscall_unknown
    syscall_unknown_musl table_read_only_O0 table_read_only_O2 table_read_only_pie table_writable_O0
    table_writable_O2 tail_call_O2 tail_call_pie thread_destructor thread_destructor_static two_entries
    two_entries_stripped two_numbers_branch two_numbers_cmov two_wrappers_O0 two_wrappers_O2 two_wrappers_pie
    two_wrappers_stripped unknown_number_O0 unknown_number_O2 uring vararg_number_O0 vararg_number_O2
    version_new version_old virtual_call_O0 virtual_call_O2 virtual_call_stripped weak weak_static weird_start
    wrapper_bound_now wrapper_in_library wrapper_no_plt wrapper_sysv_hash written_by_bytes written_by_index
    written_by_index_pie written_by_pointer written_by_pointer_pie written_by_vector written_whole
}
