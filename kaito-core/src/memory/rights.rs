//! What a process may do: what its planner's table of kinds says, as the ClusterRole that is made from that table grants it, and nothing else.
//!
//! So a plan that reads or writes what its role does not hold is refused in every world, not first on a cluster.

use crate::backend::{BackendError, ErrorKind};
use crate::effect::Effect;
use crate::kinds::{Kind, KindUse, Scope};
use crate::read::Read;

/// One right: a verb on a kind, or on a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// As the API server calls it.
    pub verb: &'static str,
    /// On what.
    pub kind: Kind,
    /// On which part of it; `None`: on the object itself.
    pub part: Option<&'static str>,
}

impl Right {
    /// A verb on the objects of a kind.
    pub fn on(verb: &'static str, kind: Kind) -> Self {
        Self { verb, kind, part: None }
    }

    /// A verb on a part of the objects of a kind.
    pub fn on_part(verb: &'static str, kind: Kind, part: &'static str) -> Self {
        Self { verb, kind, part: Some(part) }
    }

    /// What an answer takes; `None` where no API server gives it.
    pub fn to_read(read: &Read) -> Option<Self> {
        match read {
            Read::Object { key, .. } => Some(Self::on("get", key.kind)),
            Read::List { kind, .. } => Some(Self::on("list", *kind)),
            Read::PodsOn { .. } => Some(Self::on("list", Kind::Pod)),
            Read::Log(_) => Some(Self::on_part("get", Kind::Pod, "log")),
            Read::Model(_) => None,
        }
    }

    /// What a write takes.
    pub fn to_write(effect: &Effect) -> Self {
        let kind = effect.key().kind;
        match effect {
            Effect::Ensure { uid: None, .. } => Self::on("create", kind),
            Effect::Ensure { uid: Some(_), .. } | Effect::Metadata { .. } => Self::on("patch", kind),
            Effect::Delete { .. } => Self::on("delete", kind),
            Effect::Evict { .. } => Self::on_part("create", kind, "eviction"),
            Effect::Status { .. } => Self::to_write_status(kind),
        }
    }

    /// What the write of a root's status takes.
    pub fn to_write_status(root: Kind) -> Self {
        Self::on_part("patch", root, "status")
    }

    /// Whether who has this table has the right; else the API server's words.
    pub fn held_by(self, table: &'static [KindUse]) -> Result<(), BackendError> {
        let row = KindUse::of(table, self.kind);
        let verbs = row.and_then(|row| match self.part {
            None => Some(row.verbs),
            Some(part) => row.subresources.iter().find(|(name, _)| *name == part).map(|(_, verbs)| *verbs),
        });
        if verbs.is_some_and(|verbs| verbs.contains(&self.verb)) { Ok(()) } else { Err(self.refused()) }
    }

    /// What an API server says to who lacks it.
    pub fn refused(self) -> BackendError {
        let Right { verb, kind, part } = self;
        let resource = part.map_or_else(|| kind.plural().to_owned(), |part| format!("{}/{part}", kind.plural()));
        let scope = match kind.scope() {
            Scope::Cluster => " at the cluster scope",
            Scope::Namespaced => "",
        };
        let group = kind.group();
        let dotted = if group.is_empty() { String::new() } else { format!(".{group}") };
        let words = format!(
            "{}{dotted} is forbidden: User \"system:serviceaccount:kaito-workspace:kaito-workspace\" cannot {verb} resource \"{resource}\" in API group \"{group}\"{scope}",
            kind.plural()
        );
        BackendError::new(ErrorKind::Forbidden, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;
    use crate::provisioner::NodeProvisioner;

    #[test]
    fn a_right_is_held_where_the_table_says_so_and_nowhere_else() {
        let table = kinds::of(&NodeProvisioner::AzureGpuProvisioner);
        let held = |right: Right| right.held_by(table).is_ok();
        assert!(held(Right::on("create", Kind::NodeClaim)) && !held(Right::on("patch", Kind::NodeClaim)));
        assert!(held(Right::to_write_status(Kind::Workspace)) && !held(Right::to_write_status(Kind::NodeClaim)));
        assert!(
            held(Right::on_part("get", Kind::Pod, "log")) && !held(Right::on_part("create", Kind::Pod, "eviction"))
        );
        assert!(!held(Right::on("get", Kind::Namespace)), "no row");
        let said = Right::on("create", Kind::NodePool).held_by(table).map_err(|error| (error.kind, error.message));
        let (kind, words) = said.unwrap_err();
        assert_eq!(kind, ErrorKind::Forbidden);
        assert!(
            words.contains("cannot create resource \"nodepools\" in API group \"karpenter.sh\" at the cluster scope"),
            "{words}"
        );
    }
}
