//! The schema of a NodeClaim becomes stricter than the claim of a Workspace that runs, and then the Workspace is deleted: the machine is given back all the same.

use crate::stage::{Chain, Machines};
use crate::{gone, ready};
use kaito_core::Kind;
use kaito_tests::manifests;
use serde_json::{Value, json};

/// What the stricter schema asks for.
const REFUSED: &str = "every claim says how long its end may take";
const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

fn redefine(chain: &Chain, operations: &Value) {
    let patch = format!("--patch={operations}");
    let words = ["patch", "crd", "nodeclaims.karpenter.sh", "--type=json", &patch];
    chain.plane.run(&words).expect("it is a definition");
}

/// What an admin hears who marks the only claim.
async fn mark(chain: &Chain) -> Result<String, String> {
    let claims = chain.list(Kind::NodeClaim).await;
    let name = &claims.first().ok_or("there is no claim")?.key().name;
    let words = ["annotate", "nodeclaims.karpenter.sh", name, "a=b", "--dry-run=server"];
    chain.plane.run(&words).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_to_which_the_server_refuses_every_write_loses_its_machine_and_goes_when_it_may() {
    let Some(mut chain) = Chain::start().await else { return };
    chain.plane.apply_text(&manifests::phi_3_mini("w0").to_string()).expect("the API server takes it");
    chain.until("it is ready", async |chain| ready(chain).await == 1).await;
    assert_eq!(chain.machines().await, Machines::all(1));

    // A rule over the whole object: the server forgives it to no write of the metadata, and to none of the status.
    let rules = json!([{"rule": "has(self.spec.terminationGracePeriod)", "message": REFUSED}]);
    redefine(&chain, &json!([{"op": "add", "path": format!("{SCHEMA}/x-kubernetes-validations"), "value": rules}]));
    let is_refused = async |chain: &Chain| mark(chain).await.is_err_and(|said| said.contains(REFUSED));
    chain.until("the stricter schema is in force", is_refused).await;
    chain.plane.run(&["delete", "workspaces.kaito.sh", "--all", "--wait=false"]).expect("it is there");
    let is_given_back =
        async |chain: &Chain| chain.azure.states().is_empty() && chain.list(Kind::Node).await.is_empty();
    chain.until("the machine is given back", is_given_back).await;
    assert_eq!((chain.list(Kind::NodeClaim).await.len(), chain.workspaces().await.len()), (1, 1), "nobody may let go");

    // The same, asked of a part of it: what a write leaves alone is forgiven to it.
    let required = json!(["nodeClassRef", "requirements", "terminationGracePeriod"]);
    let operations = json!([
        {"op": "replace", "path": format!("{SCHEMA}/properties/spec/required"), "value": required},
        {"op": "remove", "path": format!("{SCHEMA}/x-kubernetes-validations")},
    ]);
    redefine(&chain, &operations);
    gone(&mut chain).await;
    assert_eq!(chain.azure.made(), 1);
}
