//! What a Workspace holds of another provisioner than the operator runs with now: it was asked for before that was changed, costs money, and is asked for by its names and given back when the Workspace
//! goes. Karpenter looks at NodeClaims that were asked for one by one itself (`karpenter/mod.rs`).

use super::azure::AzureGpuProvisioner;
use super::karpenter::{self, Karpenter};
use super::{Held, Provisioner};
use crate::provisioner::NodeProvisioner;
use crate::read::Freshness;
use crate::snapshot::Unread;
use crate::workspace::draft::Draft;
use crate::workspace::view::View;

/// Takes it back, and says what the API server has of it.
pub(in super::super) fn give_back(view: &View<'_>, draft: &mut Draft) -> Result<Held, Unread> {
    let own = &view.settings.provisioner;
    if *own == NodeProvisioner::Byo {
        let held = AzureGpuProvisioner.give_back(view, draft, Freshness::Live)?;
        if held.all > 0 {
            return Ok(held);
        }
    }
    if !matches!(own, NodeProvisioner::Karpenter(_)) && karpenter::is_held(view)? {
        return Karpenter.give_back(view, draft, Freshness::Live);
    }
    Ok(Held::default())
}
