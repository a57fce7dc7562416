//! The finalizer and the revision annotations, in one patch. Nothing that outlives the Workspace is made before the finalizer is on.

use super::draft::{Draft, Flow};
use super::facts::Subject;
use super::view::View;
use crate::effect::{Effect, MetadataPatch};
use crate::plan::Notice;
use crate::snapshot::Unread;
use kaito_api::vocabulary::{annotations, events, finalizers};

pub(super) fn step(view: &View<'_>, draft: &mut Draft) -> Result<Flow, Unread> {
    let mut patch = MetadataPatch::default();
    let present = view.metadata.finalizers.clone().unwrap_or_default();
    if !present.iter().any(|name| name == finalizers::WORKSPACE) {
        patch.finalizers = Some(present.into_iter().chain([finalizers::WORKSPACE.to_owned()]).collect());
        let hardware = draft.subject.as_ref().and_then(Subject::hardware);
        if let Some(warning) = hardware.and_then(|it| crate::admission::retirement(view.settings.cloud, it)) {
            draft.notices.push(Notice {
                warning: true,
                reason: events::INSTANCE_TYPE_RETIRING,
                note: warning,
                after: None,
            });
        }
    }
    if let Some(revision) = &draft.revision {
        for (key, value) in [
            (annotations::WORKSPACE_HASH, revision.hash.clone()),
            (annotations::WORKSPACE_REVISION, revision.number.to_string()),
        ] {
            if view.annotation(key) != Some(value.as_str()) {
                patch.annotations.insert(key.to_owned(), Some(value));
            }
        }
    }
    if !patch.is_empty() {
        let (key, uid) = (view.key.clone(), view.uid().to_owned());
        draft.stamp = Some(draft.push(Effect::Metadata {
            key,
            uid,
            resource_version: Some(view.resource_version().to_owned()),
            patch,
        }));
    }
    Ok(Flow::Next)
}
