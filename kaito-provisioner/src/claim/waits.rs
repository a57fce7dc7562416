//! What a claim waits for: a table. Every wait has a deadline, a next action, and what a person can do (I8).

use jiff::{SignedDuration, Timestamp};
use kaito_api::karpenter::NodeClaimCondition;
use kaito_core::plan::Wake;
use kaito_core::units::rfc3339;
use kaito_core::words;

/// A row.
#[derive(Debug, PartialEq, Eq)]
pub struct Wait {
    /// A word for metrics and logs.
    pub name: &'static str,
    /// The condition of the NodeClaim that shows it.
    pub condition: &'static str,
    /// What is waited for, in general words.
    pub meaning: &'static str,
    /// After so many minutes the message says that it is overdue, and what can be done.
    pub deadline_minutes: i64,
    /// Whether its words are Karpenter's own, which others read, until it is overdue.
    pub is_contract: bool,
    /// Which fields of which objects prove it; NAME stands for the claim, and for its agent pool.
    pub evidence: &'static str,
    /// What the provisioner does next.
    pub next: &'static str,
    /// What a person can do.
    pub remedy: &'static str,
}

macro_rules! waits {
    ($($(#[doc = $meaning:literal])+ $id:ident = $name:literal on $condition:literal, $minutes:literal minutes, contract $contract:literal, evidence $evidence:literal, next $next:literal, remedy $remedy:literal;)*) => {
        $($(#[doc = $meaning])+ pub static $id: Wait = Wait {
            name: $name, condition: $condition, meaning: concat!($($meaning),+).trim_ascii(), deadline_minutes: $minutes, is_contract: $contract,
            evidence: $evidence, next: $next, remedy: $remedy,
        };)*
        /// Every row.
        pub static WAITS: &[&Wait] = &[$(&$id,)*];
    };
}

waits! {
    /// The agent pool was asked for, and its machine is being made.
    POOL_PENDING = "PoolPending" on "Launched", 30 minutes, contract false,
        evidence "the provisioning state of the agent pool: az aks nodepool show -n NAME; the annotation kaito.sh/agent-pool-launch of the claim",
        next "looks at the agent pool again within 10 seconds",
        remedy "see what the activity log of the cluster says of the agent pool; delete the claim to give it up";

    /// The machine is made, and its node has not joined the cluster.
    NODE_PENDING = "NodePending" on "Launched", 15 minutes, contract false,
        evidence "nodes with the label agentpool=NAME, and their spec.providerID: kubectl get nodes -l agentpool=NAME",
        next "takes the node as soon as it joins; the agent pool stays meanwhile",
        remedy "see the boot diagnostics of the machine and what keeps it from the API server (network rules, DNS); delete the claim to give it up";

    /// An agent pool of this name goes away; then the claim's own is asked for.
    PREDECESSOR = "PredecessorPending" on "Launched", 60 minutes, contract false,
        evidence "the provisioning state of the agent pool: az aks nodepool show -n NAME",
        next "asks for the agent pool when the one before it is gone",
        remedy "see what the activity log of the cluster says of its deletion: a lock, a policy, or pods that do not go";

    /// A node of an earlier machine of this name goes away; then the agent pool is asked for.
    NODE_LEAVING = "NodeLeaving" on "Launched", 60 minutes, contract false,
        evidence "finalizers and deletion time of the node: kubectl get nodes -l agentpool=NAME -o yaml",
        next "asks for the agent pool when the node is gone",
        remedy "see who holds the node by a finalizer, and why the API server does not let it go; delete the node if nobody does";

    /// The cloud refused just now, and is asked again.
    ASKING_AGAIN = "AskingAgain" on "Launched", 60 minutes, contract false,
        evidence "condition Launched and the annotation kaito.sh/agent-pool-launch of the claim",
        next "asks again, ever later, at last every 5 minutes",
        remedy "see the cloud's words: another operation that never ends, too many requests, or its own trouble";

    /// The cloud does not know who asks, the cluster that is asked for, or the version of the API.
    SHUT_OUT = "ShutOut" on "Launched", 60 minutes, contract false,
        evidence "condition Launched of the claim; identity and AZURE_ settings of the provisioner",
        next "asks again every 5 minutes",
        remedy "give the provisioner's identity the right to write agent pools of the cluster, and see that its AZURE_ settings name that cluster; where the words are of an API version, set ARM_API_VERSION to one of those that they name";

    /// The API server refuses to tell something that must be known; shown on the stage that the claim has not reached.
    READ_REFUSED = "ReadRefused" on "Launched", 60 minutes, contract false,
        evidence "the server's words in the message; the rights of the provisioner's account: kubectl auth can-i --list --as=system:serviceaccount:NAMESPACE:ACCOUNT",
        next "asks again, ever more rarely, at last every five minutes; meanwhile everything stays as it is, and nothing is made or given back",
        remedy "give the account the rights of its role, which kaito roles prints";

    /// Pools were made for the claim, and failed, too often to pay for another at once.
    RESTING = "Resting" on "Launched", 60 minutes, contract false,
        evidence "condition Launched and the annotation kaito.sh/agent-pool-launch of the claim",
        next "asks for one more an hour after the last, then after ever more hours, at last once a day: 3 agent pools were made for this claim, and failed",
        remedy "see the cloud's words, and what keeps machines of this size from becoming nodes; to have it tried at once, delete the claim";

    /// The agent pool is being started, stopped or changed, and its node is not ready.
    POOL_BUSY = "PoolBusy" on "NodeHealthy", 60 minutes, contract false,
        evidence "provisioning state and power state of the agent pool: az aks nodepool show -n NAME",
        next "looks at the agent pool again within 5 minutes; the machine is kept meanwhile, and for 10 minutes after",
        remedy "start the agent pool or the cluster, or see what its activity log says; delete the claim to give the machine back";

    /// Its agent pool is done, and the node has ten minutes to become ready.
    NODE_COMING = "NodeComing" on "NodeHealthy", 10 minutes, contract false,
        evidence "condition Ready of the node: kubectl describe node -l agentpool=NAME",
        next "replaces the machine if its node is not ready",
        remedy "see what the node says of itself";

    /// The node was deleted while its agent pool was made, started, stopped or changed, or is not there and its agent pool has failed: a machine that comes up registers another.
    NODE_RETURNING = "NodeReturning" on "NodeHealthy", 60 minutes, contract false,
        evidence "nodes with the label agentpool=NAME: kubectl get nodes -l agentpool=NAME; provisioning state and power state of the agent pool: az aks nodepool show -n NAME",
        next "takes the node that the machine registers; replaces the machine when its agent pool is done and 130 minutes later there is none",
        remedy "start the agent pool or the cluster, or see what its activity log says; delete the claim to give the machine back";

    /// The node is being deleted while something is done to its agent pool, or while the cloud does not say how that is.
    NODE_DELETED = "NodeDeleted" on "NodeHealthy", 60 minutes, contract false,
        evidence "deletionTimestamp and finalizers of the node: kubectl get nodes -l agentpool=NAME -o yaml; provisioning state and power state of the agent pool: az aks nodepool show -n NAME",
        next "looks at the agent pool again within 10 seconds, and gives the machine back when nothing is done to the agent pool any more",
        remedy "see what the activity log of the cluster says of the agent pool; see the cloud's words where it tells nothing; delete the claim to give the machine back at once";

    /// The node is not ready, and the cloud does not say how its agent pool is.
    POOL_UNKNOWN = "PoolUnknown" on "NodeHealthy", 60 minutes, contract false,
        evidence "condition NodeHealthy of the claim, which has the cloud's words; identity and AZURE_ settings of the provisioner; az aks nodepool show -n NAME",
        next "asks the cloud again, at last every 5 minutes; the machine is kept before it answers",
        remedy "see the cloud's words: a right or a credential that the provisioner lacks, too many requests, or the cloud's own trouble; delete the claim to give the machine back";

    /// The agent pool has lost the labels by which it is known, or somebody else has made one of its name.
    POOL_UNMARKED = "PoolUnmarked" on "NodeHealthy", 60 minutes, contract false,
        evidence "labels of the agent pool: az aks nodepool show -n NAME --query nodeLabels",
        next "looks at the agent pool again within 5 minutes; node and agent pool are left as they are, and no other machine is asked for",
        remedy "put the labels back, beside all others, for they are replaced as a whole (az aks nodepool update -n NAME --labels KEY=VALUE ...), or delete the agent pool, and the machine is replaced";

    /// The node is not ready, as are many: the fault is not its machine's.
    REPAIR_BLOCKED = "NodeRepairBlocked" on "NodeHealthy", 60 minutes, contract false,
        evidence "nodes that are not ready: kubectl get nodes",
        next "looks again within 5 minutes, and replaces the machine when few nodes are not ready",
        remedy "see what the nodes have in common: network, DNS, the API server's address, an image; or delete the claim to replace the machine";

    /// The node of the machine is not among the nodes of the cluster.
    NODE_MISSING = "NodeMissing" on "Registered", 15 minutes, contract true,
        evidence "status.providerID of the claim beside spec.providerID of its node: kubectl get nodes -l agentpool=NAME",
        next "takes the node as soon as it is there; deletes the claim when its agent pool is gone too",
        remedy "see why the machine does not join, or delete the claim, which gives the machine back";

    /// The node is there and not ready for pods.
    NODE_STARTING = "NodeStarting" on "Initialized", 30 minutes, contract true,
        evidence "conditions, taints and allocatable of the node: kubectl describe node -l agentpool=NAME",
        next "looks when the node changes; a node that is not ready for 10 minutes is replaced",
        remedy "see what the node says of itself: its network, a startup taint that nobody takes away, a device plugin that does not run";

    /// Pods are being asked to leave the node.
    DRAINING = "Draining" on "Drained", 60 minutes, contract false,
        evidence "pods on the node and their disruption budgets: kubectl get pods -A --field-selector spec.nodeName=NODE; kubectl get pdb -A",
        next "asks the pods again within 5 seconds; the machine is taken away with what is left at the end of the grace period",
        remedy "make the disruption budget let them go, or delete the pods";

    /// The agent pool is being deleted.
    POOL_GOING = "PoolGoing" on "InstanceTerminating", 60 minutes, contract false,
        evidence "the provisioning state of the agent pool: az aks nodepool show -n NAME",
        next "looks again within 10 seconds; the claim goes when Azure says that there is no such agent pool",
        remedy "see what the activity log of the cluster says of its deletion: a lock, a policy, or pods that do not go";

    /// The agent pool of a claim that is being deleted has lost the labels by which it is known, or is somebody else's.
    POOL_NOT_OURS = "PoolNotOurs" on "InstanceTerminating", 60 minutes, contract false,
        evidence "labels of the agent pool: az aks nodepool show -n NAME --query nodeLabels",
        next "looks at the agent pool again within 5 minutes; the claim goes when the labels are back and the agent pool is deleted, or when somebody else has deleted it",
        remedy "delete the agent pool (az aks nodepool delete -n NAME) if it is the machine of this claim; or put the labels back, beside all others, for they are replaced as a whole (az aks nodepool update -n NAME --labels KEY=VALUE ...); if it is somebody else's, take the finalizer karpenter.sh/termination of the claim away";

    /// The API server does not let the node or the claim go.
    LETTING_GO = "LettingGo" on "InstanceTerminating", 60 minutes, contract false,
        evidence "finalizers of the claim and of its node: kubectl get nodeclaim NAME -o yaml; kubectl get nodes -l agentpool=NAME -o yaml",
        next "asks again, ever later, at last every 5 minutes; nothing is let go before what it stands for is gone",
        remedy "see the API server's words: an admission webhook, a policy, a right that the provisioner lacks, or a schema that refuses the object";
}

/// The table in Markdown, for the docs.
pub fn states() -> String {
    let mut table = String::from(
        "| state | shown on | as | deadline | evidence | next action | what you can do |\n|---|---|---|---|---|---|---|\n",
    );
    for row in WAITS {
        let Wait { name, condition, meaning, deadline_minutes, evidence, next, remedy, .. } = row;
        table += &format!(
            "| {meaning} | {condition} | `{name}` | {deadline_minutes} minutes | {evidence} | {next} | {remedy} |\n"
        );
    }
    table
}

impl Wait {
    fn length(&self) -> SignedDuration {
        SignedDuration::from_mins(self.deadline_minutes)
    }
}

/// Something that has to happen first, with the moment it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) row: &'static Wait,
    pub(super) what: String,
    /// From a recorded fact, never from the clock.
    pub(super) since: Timestamp,
}

impl Waiting {
    pub(super) fn new(row: &'static Wait, what: impl AsRef<str>, since: Timestamp) -> Self {
        Self { row, what: words::clean(what.as_ref()), since }
    }

    /// When it is overdue.
    pub(super) fn due(&self) -> Timestamp {
        self.since.saturating_add(self.row.length()).unwrap_or(Timestamp::MAX)
    }

    /// What is waited for. It changes at the deadline only, so that the status is not written over and over.
    pub(super) fn message(&self, now: Timestamp) -> String {
        format!("{}{}", self.what, self.outlook(now))
    }

    /// The end of the message: what happens next, and after the deadline what can be done.
    pub(super) fn outlook(&self, now: Timestamp) -> String {
        let Wait { next, remedy, is_contract, .. } = self.row;
        let due = rfc3339(self.due());
        match (now >= self.due(), is_contract) {
            (true, _) => format!("; overdue since {due}; next: {next}; remedy: {remedy}"),
            (false, true) => String::new(),
            (false, false) => format!("; next: {next}, until {due}"),
        }
    }

    /// When to look again at the latest.
    pub(super) fn wake(&self, now: Timestamp) -> Wake {
        let left = self.due().duration_since(now);
        Wake::After(if left.is_positive() { left.min(self.row.length()) } else { SignedDuration::from_mins(10) })
    }
}

/// Since when a condition tells a wait of this row, by the deadline that stands in its words; from now on where it tells none, or was written by a clock that is ahead.
pub(super) fn since_told(row: &Wait, told: Option<&NodeClaimCondition>, now: Timestamp) -> Timestamp {
    let due = told.and_then(|told| {
        let words = told.message.as_str();
        let overdue = || Some(words.split_once("; overdue since ")?.1.split_once(';')?.0);
        let text = overdue().or_else(|| Some(words.rsplit_once(", until ")?.1))?;
        text.parse::<Timestamp>().ok()
    });
    let since = due.and_then(|due| due.checked_sub(row.length()).ok());
    since.map_or(now, |since| since.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_what_happens_next_and_what_can_be_done() {
        let names: std::collections::BTreeSet<&str> = WAITS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), WAITS.len(), "one row a reason");
        for row in WAITS {
            for words in [row.meaning, row.evidence, row.next, row.remedy] {
                assert!(!words.is_empty() && words.trim() == words, "{}: {words:?}", row.name);
            }
            assert!((1..=60).contains(&row.deadline_minutes), "{}: a deadline within the hour", row.name);
        }
    }

    #[test]
    fn words_of_karpenter_stay_until_they_are_overdue() {
        let since = Timestamp::UNIX_EPOCH;
        let after = |minutes| since.saturating_add(SignedDuration::from_mins(minutes)).unwrap();
        let wait = Waiting::new(&NODE_STARTING, "Node status is NotReady", since);
        assert_eq!(wait.message(after(29)), "Node status is NotReady");
        assert!(wait.message(after(30)).contains("; overdue since 1970-01-01T00:30:00Z; next: looks when"));
        let wait = Waiting::new(&POOL_PENDING, "agent pool a is being made", since);
        assert!(wait.message(after(29)).contains("; next: looks at the agent pool again"));
        assert_eq!(wait.wake(after(29)), Wake::After(SignedDuration::from_mins(1)));
        assert_eq!(wait.wake(after(31)), Wake::After(SignedDuration::from_mins(10)));
    }

    #[test]
    fn a_wait_counts_from_when_it_was_told_and_from_now_where_that_lies_ahead() {
        let at = |minutes| Timestamp::UNIX_EPOCH.saturating_add(SignedDuration::from_mins(minutes)).unwrap();
        let told = |since, now| NodeClaimCondition {
            message: Waiting::new(&POOL_UNKNOWN, "HTTP 429", since).message(now),
            ..NodeClaimCondition::default()
        };
        for (said, now, since) in [
            (Some(told(at(5), at(6))), at(50), at(5)),
            (Some(told(at(5), at(90))), at(95), at(5)),
            (Some(told(at(300), at(300))), at(50), at(50)),
            (
                Some(NodeClaimCondition { message: "x, until y".to_owned(), ..NodeClaimCondition::default() }),
                at(7),
                at(7),
            ),
            (None, at(8), at(8)),
        ] {
            assert_eq!(since_told(&POOL_UNKNOWN, said.as_ref(), now), since, "{said:?}");
        }
    }
}
