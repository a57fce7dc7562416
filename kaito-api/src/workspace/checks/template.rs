//! N-10: rules about a pod template of the user's own. An API server keeps the template of a Workspace as it comes, and would refuse the pods only when their machine is paid for.
//!
//! Not here: what only a cluster or a node can know, and fields that are newer than this build.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::report::Report;
use super::source;
use crate::field_error::{FieldError, FieldErrorKind, FieldPath};
use crate::raw::RawPodTemplate;
use crate::syntax;

const RULE: &str = "N-10";

impl RawPodTemplate {
    /// Why no pods that serve can be made of it; the paths start inside the template. Empty when nothing is wrong with it by itself.
    ///
    /// ```
    /// use kaito_api::raw::RawPodTemplate;
    /// use serde_json::json;
    ///
    /// let faults = RawPodTemplate(json!({ "spec": { "containers": [{ "name": "Server", "image": "registry.example.com/server:1" }] } })).faults();
    /// assert_eq!(faults.len(), 1);
    /// assert_eq!(faults[0].path.to_string(), "spec.containers[0].name");
    /// ```
    pub fn faults(&self) -> Vec<FieldError> {
        let mut report = Report::default();
        template(self, &FieldPath::root(), &mut report);
        report.findings()
    }
}

pub(super) fn template(template: &RawPodTemplate, at: &FieldPath, report: &mut Report) {
    const EXAMPLE: &str = "such as {spec: {containers: [{name: server, image: registry.example.com/server:1}]}}";
    if !template.0.is_object() {
        return report.add(RULE, at.clone(), FieldErrorKind::Type, format!("must be a pod template, {EXAMPLE}"));
    }
    let typed = match template.as_pod_template() {
        Ok(typed) => typed,
        Err(error) => return report.add(RULE, at.clone().join(&error.path), error.kind, error.detail),
    };
    let labels = typed.metadata.as_ref().and_then(|metadata| metadata.labels.as_ref());
    for (key, value) in labels.into_iter().flatten() {
        let wrong = syntax::label_key(key).map_err(|expected| format!("the key {expected}"));
        let wrong = wrong.and_then(|()| syntax::label_value(value).map_err(|expected| format!("{value:?} {expected}")));
        if let Err(detail) = wrong {
            report.add(RULE, at.clone().key("metadata").key("labels").key(key), FieldErrorKind::Value, detail);
        }
    }
    let at = at.clone().key("spec");
    match typed.spec.filter(|spec| !spec.containers.is_empty()) {
        Some(spec) => pod(&spec, &at, report),
        None => report.add(
            RULE,
            at.key("containers"),
            FieldErrorKind::Missing,
            format!("a pod has at least one container, {EXAMPLE}"),
        ),
    }
}

fn pod(spec: &PodSpec, at: &FieldPath, report: &mut Report) {
    if let Some(policy) = spec.restart_policy.as_deref().filter(|policy| !["", "Always"].contains(policy)) {
        let detail = format!("{policy:?} is not for what serves; must be Always, or left out");
        report.add(RULE, at.clone().key("restartPolicy"), FieldErrorKind::Value, detail);
    }
    if spec.active_deadline_seconds.is_some() {
        let detail = "is not for what serves; leave it out";
        report.add(RULE, at.clone().key("activeDeadlineSeconds"), FieldErrorKind::Forbidden, detail);
    }
    if spec.ephemeral_containers.as_ref().is_some_and(|all| !all.is_empty()) {
        let detail = "can only be added to a pod that runs; leave them out";
        report.add(RULE, at.clone().key("ephemeralContainers"), FieldErrorKind::Forbidden, detail);
    }
    let volumes = spec.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let volumes = names(volumes, &at.clone().key("volumes"), report);
    let before = spec
        .init_containers
        .iter()
        .flatten()
        .enumerate()
        .map(|(index, container)| ("initContainers", index, container));
    let main = spec.containers.iter().enumerate().map(|(index, container)| ("containers", index, container));
    let mut seen = BTreeSet::new();
    for (list, index, found) in before.chain(main) {
        let at = at.clone().key(list).index(index);
        name(&found.name, &at, &mut seen, report);
        container(found, &at, &volumes, report);
    }
}

/// Names that tell the elements of one list apart.
fn names<'a>(all: impl Iterator<Item = &'a str>, list: &FieldPath, report: &mut Report) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (index, found) in all.enumerate() {
        name(found, &list.clone().index(index), &mut seen, report);
    }
    seen
}

/// A name is a DNS label, and no other has it.
fn name<'a>(name: &'a str, of: &FieldPath, seen: &mut BTreeSet<&'a str>, report: &mut Report) {
    let at = of.clone().key("name");
    if name.is_empty() {
        report.add(RULE, at, FieldErrorKind::Missing, "a name is needed, such as server");
    } else if let Err(expected) = syntax::dns_label(name) {
        report.add(RULE, at, FieldErrorKind::Value, format!("{name:?} {expected}"));
    } else if !seen.insert(name) {
        report.add(
            RULE,
            at,
            FieldErrorKind::Duplicate,
            format!("{name:?} is the name of an earlier one; must be different"),
        );
    }
}

/// It has an image that can be pulled, and mounts what is there.
fn container(container: &Container, at: &FieldPath, volumes: &BTreeSet<&str>, report: &mut Report) {
    let belongs = "the image of the server, such as registry.example.com/server:1";
    match container.image.as_deref().unwrap_or_default() {
        "" => report.add(RULE, at.clone().key("image"), FieldErrorKind::Missing, format!("write {belongs}")),
        image => source::image(RULE, at.clone().key("image"), image, belongs, report),
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        if !volumes.contains(mount.name.as_str()) {
            let at = at.clone().key("volumeMounts").index(index).key("name");
            report.add(RULE, at, FieldErrorKind::Value, format!("{:?} is none of spec.volumes", mount.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What is found in a good template after `change`.
    fn found(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut template = json!({ "metadata": { "labels": { "team": "blue" } }, "spec": {
            "containers": [{
                "name": "server", "image": "registry.example.com/server:1", "fromTheFuture": { "x": 1 },
                "resources": { "limits": { "nvidia.com/gpu": 1 } }, "volumeMounts": [{ "name": "shm", "mountPath": "/dev/shm" }],
            }],
            "volumes": [{ "name": "shm", "emptyDir": { "medium": "Memory" } }],
        } });
        change(&mut template);
        RawPodTemplate(template).faults().into_iter().map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn pods_can_be_made_of_a_good_template_whatever_is_new_in_it() {
        assert_eq!(found(|_| ()), Vec::<String>::new());
        assert_eq!(found(|template| template["spec"]["restartPolicy"] = json!("Always")), Vec::<String>::new());
    }

    #[test]
    fn what_no_pod_can_be_made_of_is_named_with_its_place() {
        let set = |pointer: &'static str, value: Value| {
            found(move |template| {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                match key.parse::<usize>() {
                    Ok(index) => template.pointer_mut(parent).unwrap()[index] = value,
                    Err(_) => template.pointer_mut(parent).unwrap()[key] = value,
                }
            })
        };
        let again = json!({ "name": "server", "image": "registry.example.com/other:1" });
        let table = [
            (set("/spec", Value::Null), "spec.containers: a pod has at least one container"),
            (set("/spec/containers", json!([])), "spec.containers: a pod has at least one container"),
            (set("/spec/containers", json!("server")), "spec.containers: invalid type"),
            (set("/spec/containers/0", json!("server")), "spec.containers[0]: invalid type"),
            (set("/spec/containers/0/name", json!("My Server")), "spec.containers[0].name: \"My Server\" "),
            (set("/spec/containers/0/name", Value::Null), "spec.containers[0].name: a name is needed"),
            (set("/spec/containers/0/image", Value::Null), "spec.containers[0].image: write the image"),
            (
                set("/spec/containers/0/image", json!("REPO_HERE/server:1")),
                "spec.containers[0].image: \"REPO_HERE/server:1\" is no image",
            ),
            (set("/spec/containers/0/args", json!([1])), "spec.containers[0].args[0]: invalid type"),
            (
                set("/spec/containers/0/volumeMounts/0/name", json!("tmp")),
                "spec.containers[0].volumeMounts[0].name: \"tmp\" is none of spec.volumes",
            ),
            (
                set("/spec/initContainers", json!([again])),
                "spec.containers[0].name: \"server\" is the name of an earlier one",
            ),
            (set("/spec/restartPolicy", json!("Never")), "spec.restartPolicy: \"Never\" is not for what serves"),
            (set("/spec/activeDeadlineSeconds", json!(60)), "spec.activeDeadlineSeconds: is not for what serves"),
            (set("/metadata/labels", json!({ "team": "a b" })), "metadata.labels.team: \"a b\" "),
            (set("/metadata/labels", json!({ "team": 1 })), "metadata.labels.team: invalid type"),
        ];
        for (said, wanted) in table {
            assert_eq!(said.len(), 1, "{wanted}: {said:?}");
            assert!(said[0].starts_with(wanted), "wanted {wanted}\n  got {}", said[0]);
        }
        let no_map = RawPodTemplate(json!("server")).faults();
        assert_eq!((no_map.len(), no_map[0].kind), (1, FieldErrorKind::Type));
    }
}
