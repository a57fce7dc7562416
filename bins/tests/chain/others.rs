//! What is not ours is left alone: a claim of another node class, a pool of the cluster's own, and one that has the name that a claim of ours would give to its pool.

use crate::stage::Chain;
use http::Method;
use serde_json::{Value, json};

/// A claim that another provisioner answers.
const CLAIM: &str = "wsothers";
/// A pool that no claim stands behind.
const POOL: &str = "system";
/// A claim of ours, and a pool of somebody else's.
const TAKEN: &str = "wstaken";

/// What others have made.
pub struct Others {
    claim: Value,
}

fn claim(name: &str, group: &str, kind: &str) -> Value {
    json!({
        "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim", "metadata": {"name": name},
        "spec": {
            "nodeClassRef": {"group": group, "kind": kind, "name": "default"},
            "requirements": [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["Standard_NC24ads_A100_v4"]}],
            "resources": {"requests": {"storage": "100Gi"}},
        },
    })
}

/// A claim as the API server has it; null where there is none.
fn get(chain: &Chain, name: &str) -> Value {
    let found = chain.plane.run(&["get", "nodeclaims.karpenter.sh", name, "--output=json"]);
    found.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Others make what is theirs.
pub fn come(chain: &mut Chain) -> Others {
    chain.azure.intrude(POOL, &[("team", "platform")]);
    chain.azure.intrude(TAKEN, &[("team", "platform")]);
    chain.others = [CLAIM, POOL, TAKEN].map(str::to_owned).into();
    for object in [claim(CLAIM, "karpenter.azure.com", "AKSNodeClass"), claim(TAKEN, "kaito.sh", "KaitoNodeClass")] {
        chain.plane.apply_text(&object.to_string()).expect("the API server takes it");
    }
    Others { claim: get(chain, CLAIM) }
}

impl Others {
    /// Whether the claim whose name is taken says so.
    pub fn is_told(&self, chain: &Chain) -> bool {
        let claim = get(chain, TAKEN);
        let mut conditions = claim["status"]["conditions"].as_array().into_iter().flatten();
        let launched = conditions.find(|condition| condition["type"] == "Launched");
        launched.is_some_and(|launched| {
            (&launched["status"], &launched["reason"]) == (&json!("False"), &json!("NameTaken"))
        })
    }

    /// Our claim goes without the pool; everything else is as it was.
    pub async fn go(self, chain: &mut Chain) {
        chain.until("who has taken a name is told", async |chain| self.is_told(chain)).await;
        chain.plane.run(&["delete", "nodeclaims.karpenter.sh", TAKEN, "--wait=false"]).expect("it is there");
        chain.until("it is let go", async |chain| get(chain, TAKEN).is_null()).await;
        assert_eq!(get(chain, CLAIM), self.claim, "nobody has touched it");
        let left: Vec<String> = chain.azure.states().into_keys().collect();
        assert_eq!(left, [POOL, TAKEN]);
        let is_theirs = |uri: &str| [POOL, TAKEN].iter().any(|name| uri.contains(&format!("/agentPools/{name}?")));
        let asked = chain.azure.asked();
        let tried: Vec<_> = asked.iter().filter(|asked| asked.method != Method::GET && is_theirs(&asked.uri)).collect();
        assert!(tried.is_empty(), "{tried:?}");
    }
}
