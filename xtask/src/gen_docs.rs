//! `cargo xtask gen-docs [--check]`: the pages of `docs/` that say what the failure catalogue and the table of capabilities say.

use std::fs;
use std::path::Path;

/// A page: its path from the root of the repository, and what makes it.
type Page = (&'static str, fn() -> Result<String, String>);

const PAGES: &[Page] = &[
    ("docs/reasons.md", || Ok(kaito_core::failure::page())),
    ("docs/nodes.md", nodes),
    ("docs/parity.md", parity),
    ("docs/provisioner-bugs.md", provisioner_bugs),
];

/// Writes the pages, or with `--check` only says which are stale.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let check = match arguments {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("usage: cargo xtask gen-docs [--check]".to_owned()),
    };
    let mut stale = Vec::new();
    for (path, page) in PAGES {
        let (file, wanted) = (root().join(path), page()?);
        match fs::read_to_string(&file) {
            Ok(found) if found == wanted => {}
            _ if check => stale.push(*path),
            _ => fs::write(&file, wanted).map_err(|error| format!("{path}: {error}"))?,
        }
    }
    match stale[..] {
        [] => Ok(()),
        _ => Err(format!("stale: {}; run `cargo xtask gen-docs` and commit the result", stale.join(", "))),
    }
}

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `docs/nodes.md`: the tables of states, and what a simulated world tells of every fault of a cloud.
fn nodes() -> Result<String, String> {
    let (workspace, claim) = (kaito_core::failure::states_of_nodes(), kaito_provisioner::claim::states());
    let faults = kaito_provisioner::faults::table()?;
    Ok(format!(
        "<!-- DO NOT EDIT. Written by `cargo xtask gen-docs` from kaito-core/src/failure/catalogue.rs, kaito-provisioner/src/claim/waits.rs and kaito-provisioner/src/faults.rs. -->\n\
         # Machines: every state, its deadline, and what comes next\n\n\
         A Workspace asks for NodeClaims; on Azure the provisioner makes an agent pool of one machine of each, and AKS a Node of that. Nothing here is waited for without a deadline, and nothing is \
         overdue without being told.\n\n\
         ## Of a Workspace\n\
         The reasons are explained one by one in [reasons.md](reasons.md). A provisioner's own reason stands in the place of `NodeClaimNotLaunched`.\n\n{workspace}\n\
         ## Of a NodeClaim\n\
         What the provisioner waits for; NAME stands for the claim and for its agent pool, which have one name.\n\n{claim}\n\
         ## What is told of a fault that stays\n\
         Tried in a simulated world with both controllers, AKS and the kubelets in it, whenever this page is written. The cause is the message of the condition up to what happens next: the provider's own \
         code and words are in it. The time counts from the moment in which a person asked, for the Workspace or for its end.\n\n{faults}",
    ))
}

/// The table of capabilities, which stands beside the tests that it names.
const CAPABILITIES: &str = "tests/parity.txt";

/// `docs/parity.md`. That the table is whole, and its tests exist, is held by `tests/tests/parity.rs`.
fn parity() -> Result<String, String> {
    let text = fs::read_to_string(root().join(CAPABILITIES)).map_err(|error| format!("{CAPABILITIES}: {error}"))?;
    let mut page = format!(
        "<!-- DO NOT EDIT. Written by `cargo xtask gen-docs` from {CAPABILITIES}. -->\n\
         # What the reference can do, and how we stand\n\n\
         The capabilities of KAITO v0.12.0 that concern Workspaces, and the tests that hold each here.\n\
         *holds*: as there. *differs*: on purpose; Δ stands for a row in ARCHITECTURE.md. *image*: done by the published images; what they are told is held. *docs*: nothing to build. *not yet*: said openly.\n"
    );
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            page += &format!("\n## {heading}\n| | capability | state | | held by |\n|---|---|---|---|---|\n");
            continue;
        }
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [number, state, capability, note, proofs] = columns[..] else {
            return Err(format!("{CAPABILITIES}: not five columns: {line}"));
        };
        let state = if state == "not yet" { "**not yet**" } else { state };
        page += &format!("| {number} | {capability} | {state} | {note} | {} |\n", cell_of(proofs));
    }
    Ok(page)
}

/// The table of bugs, which stands beside the tests that it names.
const BUGS: &str = "tests/provisioner_bugs.txt";

/// `docs/provisioner-bugs.md`, held by the same tests.
fn provisioner_bugs() -> Result<String, String> {
    let text = fs::read_to_string(root().join(BUGS)).map_err(|error| format!("{BUGS}: {error}"))?;
    let mut page = format!(
        "<!-- DO NOT EDIT. Written by `cargo xtask gen-docs` from {BUGS}. -->\n\
         # The bugs of the reference's provisioner, and what is done here\n\n\
         What was found in gpu-provisioner v0.4.3 when its behaviour was written down, and the tests that hold that it is not so here.\n\n\
         | | there | here | held by |\n|---|---|---|---|\n"
    );
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [number, theirs, ours, proofs] = columns[..] else {
            return Err(format!("{BUGS}: not four columns: {line}"));
        };
        page += &format!("| {number} | {theirs} | {ours} | {} |\n", cell_of(proofs));
    }
    Ok(page)
}

/// Tests, one below the other; words as they are.
fn cell_of(proofs: &str) -> String {
    if !proofs.contains("::") {
        return proofs.to_owned();
    }
    proofs.split(", ").map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>")
}
