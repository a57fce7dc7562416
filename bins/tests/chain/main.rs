//! The whole chain as it is installed: `kaito-workspace` and `kaito-gpu-provisioner` as processes on a real API server, beside an Azure on this machine. From a Workspace to a model that serves, and
//! back to nothing, whatever dies on the way.

#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod others;
mod stage;
mod tightened;

use fastrand::Rng;
use http::Method;
use jiff::SignedDuration;
use kaito_api::workspace::{Workspace, WorkspaceState};
use kaito_core::memory::Pace;
use kaito_tests::{environment, manifests};
use serde_json::{Value, json};
use stage::{Chain, Machines, Program};
use std::time::{Duration, Instant};

const CROWD: usize = 20;
/// How often a program is killed while machines are made, and while they are given back.
const KILLS: [usize; 2] = [12, 8];
/// Milliseconds between two of them.
const PAUSE: std::ops::Range<u64> = 300..2500;
/// How many answers of Azure are wrong, or none.
const ODDS: f64 = 0.1;
/// What decides who is killed when, and which answers are wrong; `KAITO_SEED` is another one.
const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_becomes_a_model_that_serves_and_is_given_back_under_exactly_the_rights_of_both_roles() {
    let Some(mut chain) = Chain::start().await else { return };
    chain.until("the provisioner is ready", async |chain| is_well(chain, "/readyz").await).await;
    let others = others::come(&mut chain);
    chain.plane.apply_text(&manifests::phi_3_mini("w0").to_string()).expect("the API server takes it");
    chain.until("it is ready", async |chain| ready(chain).await == 1).await;
    assert_eq!(chain.machines().await, Machines::all(1));
    chain.until("who has taken a name is told", async |chain| others.is_told(chain)).await;

    assert!(is_well(&chain, "/healthz").await);
    let (_, metrics) = chain.ask("/metrics").await.expect("it answers");
    assert!(metrics.contains("kaito_reconciles_total{") && metrics.contains("nodeclaim"), "{metrics}");

    chain.plane.run(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]).expect("it is there");
    gone(&mut chain).await;
    assert_eq!(chain.azure.made(), 1);
    others.go(&mut chain).await;
    assert_eq!(chain.forbidden(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_workspaces_become_ready_and_leave_nothing_while_both_programs_die_twenty_times_and_azure_fails() {
    let Some(mut chain) = Chain::start().await else { return };
    let seed = environment::parsed("KAITO_SEED").unwrap_or(SEED);
    let mut rng = Rng::with_seed(seed);
    chain.azure.fail(seed, ODDS);
    let others = others::come(&mut chain);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": (0..CROWD).map(workspace).collect::<Vec<_>>()});
    chain.plane.apply_text(&list.to_string()).expect("the API server takes them");
    let start = Instant::now();
    kill(&mut chain, &mut rng, KILLS[0]).await;
    chain.until("all are ready", async |chain| ready(chain).await == CROWD).await;
    let wanted: i32 = chain.workspaces().await.iter().filter_map(Workspace::target_node_count).sum();
    let wanted = usize::try_from(wanted).expect("a count");
    assert_eq!(chain.machines().await, Machines::all(wanted));
    println!("{CROWD} Workspaces with {wanted} machines are ready after {:.1} s", start.elapsed().as_secs_f64());

    let start = Instant::now();
    chain.plane.run(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]).expect("they are there");
    kill(&mut chain, &mut rng, KILLS[1]).await;
    gone(&mut chain).await;
    println!("nothing is left after {:.1} s", start.elapsed().as_secs_f64());
    assert_eq!(chain.azure.made(), wanted, "no machine was paid for twice");
    others.go(&mut chain).await;
    assert_eq!(chain.forbidden(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_provisioners_at_once_pay_for_every_machine_once_and_give_all_back() {
    const WORKSPACES: usize = 5;
    let Some(mut chain) = Chain::start().await else { return };
    chain.begin(Program::Second);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": (0..WORKSPACES).map(workspace).collect::<Vec<_>>()});
    chain.plane.apply_text(&list.to_string()).expect("the API server takes them");
    chain.until("all are ready", async |chain| ready(chain).await == WORKSPACES).await;
    assert_eq!(chain.machines().await, Machines::all(WORKSPACES));
    chain.plane.run(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]).expect("they are there");
    gone(&mut chain).await;
    assert_eq!(chain.azure.made(), WORKSPACES, "no machine was paid for twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_not_wanted_any_more_while_azure_makes_it_is_given_back_when_azure_lets_it_go() {
    let launch = SignedDuration::from_hours(1);
    let Some(mut chain) = Chain::at(Pace { launch, ..Pace::instant() }).await else { return };
    chain.azure.do_one_thing_at_a_time();
    chain.plane.apply_text(&manifests::phi_3_mini("w0").to_string()).expect("the API server takes it");
    chain.until("its pool is made", async |chain| !chain.azure.states().is_empty()).await;
    chain.plane.run(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]).expect("it is there");
    chain.until("it is refused more than once", async |chain| refused(chain).len() > 3).await;
    let refused = refused(&chain);
    assert!(refused[3].duration_since(refused[0]) > Duration::from_secs(3), "it is asked for again ever later");
    assert_eq!(chain.machines().await, Machines { pools: 1, claims: 1, nodes: 0 });
    chain.azure.pass(launch);
    gone(&mut chain).await;
    assert_eq!(chain.azure.made(), 1);
    assert_eq!(chain.forbidden(), Vec::<Value>::new());
}

/// When Azure was asked to delete a pool that it made.
fn refused(chain: &Chain) -> Vec<Instant> {
    chain.azure.asked().iter().filter(|asked| asked.method == Method::DELETE).map(|asked| asked.at).collect()
}

/// Every tenth takes two machines.
fn workspace(index: usize) -> Value {
    let name = format!("w{index:02}");
    if index % 10 == 9 { manifests::two_nodes(&name) } else { manifests::phi_3_mini(&name) }
}

/// Kills one of the programs again and again.
async fn kill(chain: &mut Chain, rng: &mut Rng, times: usize) {
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(rng.u64(PAUSE))).await;
        chain.plane.check().expect("nothing ends by itself");
        chain.kill(if rng.bool() { Program::Workspace } else { Program::Provisioner });
    }
}

/// How many Workspaces are ready.
async fn ready(chain: &Chain) -> usize {
    let is_ready = |workspace: &&Workspace| workspace.state() == Some(&WorkspaceState::Ready);
    chain.workspaces().await.iter().filter(is_ready).count()
}

async fn gone(chain: &mut Chain) {
    chain.until("nothing is left", async |chain| chain.machines().await == Machines::all(0)).await;
    chain.until("no Workspace is held", async |chain| chain.workspaces().await.is_empty()).await;
}

async fn is_well(chain: &Chain, path: &str) -> bool {
    chain.ask(path).await.is_ok_and(|(status, _)| status == 200)
}
