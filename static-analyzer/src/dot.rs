//! The chains of calls that lead to a system call, as a graph for Graphviz.

use model::{Analysis, Sysno, trace::Site};
use petgraph::{
    dot::{Config, Dot},
    graph::DiGraph,
};
use std::collections::BTreeMap;

/// The graph of one call, of all programs that were analysed.
pub fn dot(analysis: &Analysis, sysno: Sysno) -> String {
    let mut graph = DiGraph::<String, ()>::new();
    let mut nodes = BTreeMap::new();
    let call = graph.add_node(sysno.to_string());
    for program in &analysis.programs {
        let Some(predicted) = program.calls.get(&sysno) else { continue };
        let mut before = graph.add_node(program.path.to_string());
        for site in &predicted.chain {
            let node = *nodes.entry(site.clone()).or_insert_with(|| graph.add_node(name(site)));
            if graph.find_edge(before, node).is_none() && before != node {
                graph.add_edge(before, node, ());
            }
            before = node;
        }
        graph.add_edge(before, call, ());
    }
    format!("{:?}", Dot::with_config(&graph, &[Config::EdgeNoLabel]))
}

fn name(site: &Site) -> String {
    let place = format!("{}+{:#x}", site.module.base_name(), site.offset);
    match &site.symbol {
        Some(symbol) => format!("{symbol} ({place})"),
        None => place,
    }
}
