//! The catalogue as a page of the docs, in Markdown. `cargo xtask gen-docs` writes it.

use super::{CATALOGUE, MILESTONES};
use kaito_api::vocabulary::ConditionType;

/// The whole page.
pub fn page() -> String {
    let mut page = String::from(
        "<!-- DO NOT EDIT. Written by `cargo xtask gen-docs` from the catalogue in kaito-core/src/failure. -->\n\
         # Reasons\n\n\
         Every reason that a condition of a Workspace can have, by condition. `kaito explain REASON` prints the same. NAME stands for the Workspace, NAMESPACE for its namespace.\n\
         Reasons that are not here come unchanged from a NodeClaim: its provisioner wrote them, and the message carries its words.\n",
    );
    for condition in ConditionType::ALL {
        let rows = CATALOGUE.iter().filter(|row| row.condition == condition);
        let milestones = MILESTONES.iter().filter(|milestone| milestone.condition == condition);
        let good = milestones.map(|milestone| format!("- `{}`: {}\n", milestone.name, milestone.meaning));
        let bad = rows.map(|row| {
            format!(
                "\n### {}\n{}\n\n- Class: {}\n- Evidence: {}\n- What happens next: {}\n- What you can do: {}\n",
                row.name,
                row.meaning,
                row.class.words(),
                with_code(row.evidence),
                row.next,
                row.remedy
            )
        });
        let below: String = good.chain(bad).collect();
        if !below.is_empty() {
            page += &format!("\n## {condition}\n{below}");
        }
    }
    page
}

/// The states in which the machines of a Workspace can be, as a table: what a condition says of them, and by when that changes or is told to be overdue.
pub fn states_of_nodes() -> String {
    const OF_NODES: [ConditionType; 3] =
        [ConditionType::NodeClaimReady, ConditionType::NodesReady, ConditionType::WorkspaceDeleting];
    let mut table = String::from("| state | condition | reason | deadline | next action |\n|---|---|---|---|---|\n");
    for condition in OF_NODES {
        for milestone in MILESTONES.iter().filter(|milestone| milestone.condition == condition) {
            table += &format!("| {} | {condition} | `{}` | none: it lasts | |\n", milestone.meaning, milestone.name);
        }
        for row in CATALOGUE.iter().filter(|row| row.condition == condition) {
            table +=
                &format!("| {} | {condition} | `{}` | {} | {} |\n", row.meaning, row.name, row.class.words(), row.next);
        }
    }
    table
}

/// Commands are what a person copies: `… : kubectl …` becomes code.
fn with_code(evidence: &str) -> String {
    match evidence.split_once(": ") {
        Some((what, commands)) => format!("{what}: `{}`", commands.replace("; ", "`, `")),
        None => evidence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_on_the_page() {
        let page = page();
        for name in CATALOGUE.iter().map(|row| row.name).chain(MILESTONES.iter().map(|one| one.name)) {
            assert!(page.contains(&format!("### {name}\n")) || page.contains(&format!("- `{name}`: ")), "{name}");
        }
    }
}
