//! `kaito roles`: what the programs may do in a cluster, as manifests.

use super::Verdict;
use super::args::Roles;
use super::console::{Console, Defect};
use super::output;
use crate::{provisioner, rbac};
use kaito_api::k8s_openapi::api::rbac::v1::ClusterRole;
use kaito_core::NodeProvisioner;
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";
/// The controller's name, and that of its account.
const CONTROLLER: &str = "kaito-workspace";

/// Prints an account, its role and the binding of both, for each program that runs where machines come from there.
pub fn run(args: &Roles, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    let chosen = args.operator.settings().provisioner;
    let mut manifests = of(CONTROLLER, &rbac::cluster_role(&chosen), &args.namespace);
    if chosen == NodeProvisioner::AzureGpuProvisioner {
        manifests.extend(of(provisioner::MANAGER, &rbac::provisioner_role(), &args.namespace));
    }
    console.print(&output::documents(&manifests)?)?;
    Ok(Verdict::Yes)
}

fn of(program: &str, role: &ClusterRole, namespace: &str) -> Vec<Value> {
    let name = role.metadata.name.as_deref().unwrap_or_default();
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": program, "namespace": namespace}}),
        json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole", "metadata": role.metadata, "rules": role.rules}),
        json!({
            "apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": program},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": program, "namespace": namespace}],
        }),
    ]
}
