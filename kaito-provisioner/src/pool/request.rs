//! A claim made into a request.

use super::refusal::{Refusal, missing, wrong};
use super::{PoolName, disk, labels, requirements, size};
use kaito_api::vocabulary::{ImageFamily, annotations};
use kaito_api::{FieldPath, NodeClaim};
use kaito_core::words;
use serde::Serialize;
use std::collections::BTreeMap;

/// The operating system of a node, in the API's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OsSku {
    /// Ubuntu.
    Ubuntu,
    /// Azure Linux.
    AzureLinux,
}

impl OsSku {
    /// The word of the API, which AKS also writes on nodes (`kubernetes.azure.com/os-sku`).
    pub fn word(self) -> &'static str {
        match self {
            Self::Ubuntu => "Ubuntu",
            Self::AzureLinux => "AzureLinux",
        }
    }
}

/// Whether a machine may be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Priority {
    /// It stays.
    Regular,
    /// It is cheaper, and may be taken away. AKS adds the taint `kubernetes.azure.com/scalesetpriority=spot:NoSchedule`.
    Spot,
}

/// An agent pool of one machine, as it is asked for. [`PoolRequest::body`] is its wire form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRequest {
    /// Its name: that of the claim.
    pub name: PoolName,
    /// The size of its machine.
    pub size: String,
    /// The operating system.
    pub os_sku: OsSku,
    /// GiB of the disk.
    pub disk_gib: u32,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Taints of the node: `key=value:effect`.
    pub taints: Vec<String>,
    /// The zones that it may stand in, by number; anywhere in the region where empty.
    pub zones: Vec<String>,
    /// Whether it may be taken away.
    pub priority: Priority,
    /// What is done otherwise than the claim says, in words.
    pub remarks: Vec<String>,
}

impl PoolRequest {
    /// The pool of a claim, with the first of its sizes.
    pub fn of(claim: &NodeClaim) -> Result<Self, Refusal> {
        Self::choosing(claim, &[])
    }

    /// The pool of a claim, with the first of its sizes that is not `refused`; with the first of all when every one is.
    pub fn choosing(claim: &NodeClaim, refused: &[&str]) -> Result<Self, Refusal> {
        let mut errors = Vec::new();
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let name = PoolName::parse(name)
            .map_err(|why| errors.push(wrong(FieldPath::from("metadata.name"), why.to_string())))
            .ok();
        let sizes = size::sizes(claim).unwrap_or_else(|refusal| {
            errors.extend(refusal.fields().iter().cloned());
            Vec::new()
        });
        let is_left = |size: &&String| !refused.iter().any(|other| other.eq_ignore_ascii_case(size));
        let size = sizes.iter().find(is_left).or(sizes.first());
        let disk_gib = disk::disk_gib(claim).map_err(|error| errors.push(error)).ok();
        let claimed = claim.metadata.labels.clone().unwrap_or_default();
        let place = requirements::place(&claim.spec.requirements, &claimed, &mut errors);
        let created = claim.metadata.creation_timestamp.as_ref().map(|time| time.0);
        if created.is_none() {
            errors
                .push(missing("metadata.creationTimestamp", "is set by an API server, and this claim comes from none"));
        }
        let labels =
            labels::of(claim, place.labels, size.map_or("", String::as_str), created.unwrap_or_default(), &mut errors);
        let taints = labels::taints(&claim.spec.taints, &mut errors);
        let mut remarks = place.remarks;
        let os_sku = os_sku(claim, &mut remarks);
        requirements::system(&claim.spec.requirements, os_sku.word(), &mut errors);
        Refusal::unless_empty(errors)?;
        let (Some(name), Some(size), Some(disk_gib)) = (name, size, disk_gib) else {
            // Each of them has left its error above.
            return Err(Refusal::of(wrong(FieldPath::root(), "cannot be made into an agent pool")));
        };
        let priority = if place.is_spot { Priority::Spot } else { Priority::Regular };
        Ok(Self { name, size: size.clone(), os_sku, disk_gib, labels, taints, zones: place.zones, priority, remarks })
    }
}

/// Ubuntu where nothing else that exists is asked for. Only the annotation counts; a label of its name does not.
fn os_sku(claim: &NodeClaim, remarks: &mut Vec<String>) -> OsSku {
    let asked = claim.metadata.annotations.as_ref().and_then(|all| all.get(annotations::NODE_IMAGE_FAMILY));
    let family = asked.map(|asked| ImageFamily::parse(asked));
    if let (Some(asked), Some(None)) = (asked, family) {
        let (key, asked) = (annotations::NODE_IMAGE_FAMILY, words::quoted(asked));
        remarks
            .push(format!("{key}: there is no image family {asked:?}; the node runs ubuntu, and could run azurelinux"));
    }
    match family.flatten().unwrap_or_default() {
        ImageFamily::Ubuntu => OsSku::Ubuntu,
        ImageFamily::AzureLinux => OsSku::AzureLinux,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn claim(change: impl FnOnce(&mut Value)) -> NodeClaim {
        let mut claim = json!({
            "metadata": { "name": "ws0123456ab", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": { "kaito.sh/workspace": "w" } },
            "spec": {
                "nodeClassRef": { "group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default" },
                "requirements": [{ "key": "node.kubernetes.io/instance-type", "operator": "In", "values": ["A", "B"] }],
                "resources": { "requests": { "storage": "40Gi" } }
            }
        });
        change(&mut claim);
        serde_json::from_value(claim).unwrap()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let refusal = PoolRequest::of(&claim(|claim| {
            claim["metadata"] = json!({"name": "Ws-1", "labels": {"kubernetes.azure.com/a": "b"}});
            claim["spec"]["requirements"] = json!([{"key": "topology.kubernetes.io/zone", "operator": "Exists"}]);
            claim["spec"]["resources"] = json!({});
        }))
        .unwrap_err();
        let paths: Vec<String> = refusal.fields().iter().map(|error| error.path.to_string()).collect();
        assert_eq!(
            paths,
            [
                "metadata.name",
                "spec.requirements",
                "spec.resources.requests.storage",
                "spec.requirements",
                "metadata.creationTimestamp",
                "metadata.labels[\"kubernetes.azure.com/a\"]",
            ]
        );
    }

    #[test]
    fn the_next_size_is_asked_for_when_one_is_refused() {
        let asked = |refused: &[&str]| PoolRequest::choosing(&claim(|_| ()), refused).unwrap().size;
        assert_eq!((asked(&[]), asked(&["a"]), asked(&["A", "B"])), ("A".into(), "B".into(), "A".into()));
    }

    #[test]
    fn a_pool_of_nobody_is_known_by_its_node_class() {
        let labels = |change: fn(&mut Value)| PoolRequest::of(&claim(change)).unwrap().labels;
        assert!(!labels(|_| ()).contains_key("kaito.sh/kaitonodeclass"));
        assert_eq!(labels(|claim| claim["metadata"]["labels"] = json!({}))["kaito.sh/kaitonodeclass"], "default");
    }

    #[test]
    fn an_image_family_that_does_not_exist_is_ubuntu_and_told() {
        let with = |family: Value| {
            let request = PoolRequest::of(&claim(|claim| claim["metadata"]["annotations"] = family)).unwrap();
            (request.os_sku, request.remarks.len())
        };
        assert_eq!(with(json!({"kaito.sh/node-image-family": "AzureLinux"})), (OsSku::AzureLinux, 0));
        assert_eq!(with(json!({"kaito.sh/node-image-family": "ubuntu2204"})), (OsSku::Ubuntu, 1));
        assert_eq!(with(json!({})), (OsSku::Ubuntu, 0));
    }
}
