//! A cluster and the agent pools of its cloud, in memory, in which a planner is driven look by look, with the rights of its table of kinds. A test says what the cloud does and refuses; nothing else happens.

use jiff::{SignedDuration, Timestamp};
use kaito_core::backend::{BackendError, Written};
use kaito_core::driver::{Planner, Reconciliation, Report, Wish};
use kaito_core::effect::{Effect, MetadataPatch};
use kaito_core::kinds::KindUse;
use kaito_core::memory::{MemoryCluster, Right};
use kaito_core::plan::Notice;
use kaito_core::snapshot::Answer;
use kaito_core::{Kind, ObjectKey, Read, Settings};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How often a planner is looked at before it must have come to rest.
const MOST_LOOKS: usize = 30;

/// A refusal: of which writes, by verb and kind, and how.
pub type Refusal = (&'static str, Kind, BackendError);

/// A cluster with its cloud.
pub struct CloudByHand {
    cluster: MemoryCluster,
    now: Timestamp,
    /// What is refused from now on.
    pub refusals: Vec<Refusal>,
    /// Rights that the role of the process lacks.
    pub withheld: Vec<Right>,
    /// Why the cloud tells nothing of any pool, while it does not.
    pub silence: Option<BackendError>,
    /// What is decided with.
    pub settings: Settings,
    /// Answers of a cache that lags, instead of what is there.
    pub cached: BTreeMap<Read, Answer>,
    /// Whether a pool is made as soon as it is asked for.
    pub pools_succeed: bool,
    /// Whether a pool that is deleted stays for a while.
    pub pools_linger: bool,
    /// Every write that was tried, as `verb Kind name`.
    pub tried: Vec<String>,
    /// What was published.
    pub notices: Vec<Notice>,
}

impl CloudByHand {
    /// An empty one.
    pub fn new(now: Timestamp) -> Self {
        Self {
            cluster: MemoryCluster::new(now),
            now,
            refusals: Vec::new(),
            withheld: Vec::new(),
            silence: None,
            settings: Settings::default(),
            cached: BTreeMap::new(),
            pools_succeed: false,
            pools_linger: false,
            tried: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sets the clock.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
        self.cluster.set_now(now);
    }

    /// Lets time pass.
    pub fn wait(&mut self, length: SignedDuration) {
        self.set_now(self.now.saturating_add(length).unwrap_or(Timestamp::MAX));
    }

    /// Makes an object: by `apiVersion` and `kind`, which name a kind of the product. A pool is in the state that its status says.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put(&mut self, object: &Value) -> ObjectKey {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let kind = Kind::named(text("apiVersion"), text("kind")).expect("a kind of the product");
        let metadata = &object["metadata"];
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        let key = ObjectKey::new(kind, namespace, metadata["name"].as_str().unwrap_or_default());
        self.cluster.with_store(|store| store.create(&key, object)).expect("the server takes it");
        if let (Kind::AgentPool, Some(state)) = (kind, object["status"]["state"].as_str()) {
            self.pool_stands(&key, state, &object["status"]);
        }
        key
    }

    /// The store begins every pool as one that is being made; this one is further.
    fn pool_stands(&mut self, key: &ObjectKey, state: &str, status: &Value) {
        match state {
            "Deleting" => drop(self.cluster.with_store(|store| store.delete(key, None)).expect("it is there")),
            _ => self.edit(key, |value| value["status"] = status.clone()),
        }
    }

    /// One object in its wire form; null where there is none.
    pub fn get(&self, key: &ObjectKey) -> Value {
        self.cluster.with_store(|store| store.value(key).cloned()).unwrap_or_default()
    }

    /// What the API server answers.
    pub fn answer(&self, read: &Read) -> Answer {
        self.cluster.answer(read)
    }

    /// Whether an object is there.
    pub fn has(&self, key: &ObjectKey) -> bool {
        !self.get(key).is_null()
    }

    /// Deletes an object as a person does.
    ///
    /// # Panics
    /// When it is not there.
    pub fn delete(&mut self, key: &ObjectKey) {
        self.cluster.with_store(|store| store.delete(key, None)).expect("it is there");
        if key.kind == Kind::AgentPool {
            self.free(key);
        }
    }

    /// Changes an object as somebody else does: everything but what a server alone writes.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn edit(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Value)) {
        let mut value = self.get(key);
        change(&mut value);
        let status = value["status"].clone();
        self.cluster
            .with_store(|store| {
                store.replace(key, &value)?;
                let uid = value["metadata"]["uid"].as_str().unwrap_or_default();
                store.write_status(key, uid, None, &status)
            })
            .expect("the server takes it");
    }

    /// Writes a status as somebody else does, whatever stands in it.
    ///
    /// # Panics
    /// When the object is not there.
    pub fn status_is(&mut self, key: &ObjectKey, status: &Value) {
        let uid = self.get(key)["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.cluster.with_store(|store| store.write_status(key, &uid, None, status)).expect("it is there");
    }

    /// Says what has become of a pool: Azure's word, and where it failed, code and words.
    pub fn pool_is(&mut self, name: &str, state: &str, failure: Option<(&str, &str)>) {
        let mut status = json!({"state": state});
        if let Some((code, message)) = failure {
            status["failure"] = json!({"code": code, "message": message});
        }
        self.edit(&pool(name), |value| value["status"] = status);
    }

    /// The Node of a pool joins.
    pub fn node_joins(&mut self, name: &str, pool: &str, provider_id: &str) -> ObjectKey {
        self.put(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"agentpool": pool, "kubernetes.azure.com/agentpool": pool}},
            "spec": {"providerID": provider_id},
            "status": {"allocatable": {"cpu": "24"}, "capacity": {"cpu": "24"}, "conditions": [{"type": "Ready", "status": "True"}]},
        }))
    }

    /// One look, of which at most so many writes are carried out: then the process dies. `None` where it did.
    ///
    /// # Panics
    /// When the planner never comes to a plan.
    pub fn look_until(&mut self, planner: &dyn Planner, root: &ObjectKey, most: usize) -> Option<Report> {
        self.reconcile(planner, root, most).map(|result| result.expect("the cluster can be read"))
    }

    fn reconcile(
        &mut self,
        planner: &dyn Planner,
        root: &ObjectKey,
        most: usize,
    ) -> Option<Result<Report, BackendError>> {
        let settings = self.settings.clone();
        let role = planner.kinds(&settings);
        let mut work = Reconciliation::new(root.clone(), self.now);
        let mut writes = 0;
        loop {
            let wish = work.next(planner, &settings);
            if matches!(wish, Wish::Perform(_) | Wish::WriteStatus(_)) {
                if writes == most {
                    return None;
                }
                writes += 1;
            }
            match wish {
                Wish::Read(read) if read.kind() == Some(Kind::AgentPool) && self.silence.is_some() => {
                    work.answered(self.silence.clone().map_or(Ok(Answer::Object(None)), Err));
                }
                Wish::Read(read) => {
                    let permitted = Right::to_read(&read).map_or(Ok(()), |right| self.permit(role, right));
                    let cached = self.cached.get(&read).cloned();
                    work.answered(permitted.map(|()| cached.unwrap_or_else(|| self.cluster.answer(&read))));
                }
                Wish::Perform(effect) => {
                    self.tried.push(format!("{} {}", effect.verb(), named(effect.key())));
                    work.performed(self.permit(role, Right::to_write(&effect)).and_then(|()| self.perform(&effect)));
                }
                Wish::WriteStatus(status) => {
                    self.tried.push(format!("patch status {}", named(&status.key)));
                    let permitted = self.permit(role, Right::to_write_status(status.key.kind));
                    work.status_written(permitted.and_then(|()| self.cluster.put_status(&status)));
                }
                Wish::Publish(_, notice) => self.notices.push(notice),
                Wish::Done(result) => return Some(*result),
            }
        }
    }

    fn permit(&self, role: &'static [KindUse], right: Right) -> Result<(), BackendError> {
        if self.withheld.contains(&right) { Err(right.refused()) } else { right.held_by(role) }
    }

    /// One look that comes to no plan, because something that must be known is refused.
    ///
    /// # Panics
    /// When there is a plan.
    pub fn look_in_vain(&mut self, planner: &dyn Planner, root: &ObjectKey) -> BackendError {
        self.reconcile(planner, root, usize::MAX).expect("nobody dies").expect_err("something is refused")
    }

    /// One look.
    ///
    /// # Panics
    /// As [`CloudByHand::look_until`].
    pub fn look(&mut self, planner: &dyn Planner, root: &ObjectKey) -> Report {
        self.look_until(planner, root, usize::MAX).expect("nobody dies")
    }

    /// Looks until nothing is written any more, as often as the planner's own writes wake it.
    ///
    /// # Panics
    /// When it writes and writes.
    pub fn settle(&mut self, planner: &dyn Planner, root: &ObjectKey) -> Report {
        for _ in 0..MOST_LOOKS {
            let report = self.look(planner, root);
            if report.written.is_empty() && report.status.is_none() {
                return report;
            }
        }
        panic!("{root} does not come to rest: {:?}", &self.tried[self.tried.len().saturating_sub(8)..]);
    }

    /// Everything of the log so far, which begins anew.
    pub fn take_tried(&mut self) -> Vec<String> {
        std::mem::take(&mut self.tried)
    }

    fn perform(&mut self, effect: &Effect) -> Result<Written, BackendError> {
        let refused = |(verb, kind, _): &&Refusal| *verb == effect.verb() && *kind == effect.key().kind;
        if let Some((_, _, error)) = self.refusals.iter().find(refused) {
            return Err(error.clone());
        }
        let written = self.cluster.carry_out(effect)?;
        if let Effect::Delete { target } = effect
            && target.key().kind == Kind::AgentPool
            && !self.pools_linger
        {
            return self.let_go(target.key(), target.uid());
        }
        if let (Effect::Ensure { key, .. }, true) = (effect, self.pools_succeed)
            && key.kind == Kind::AgentPool
        {
            self.pool_is(&key.name, "Succeeded", None);
        }
        Ok(written)
    }

    /// Takes every finalizer of an object away, as somebody does who has waited long enough.
    ///
    /// # Panics
    /// When it is not there.
    pub fn free(&mut self, key: &ObjectKey) {
        let uid = self.get(key)["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.let_go(key, &uid).expect("it is there");
    }

    /// The cloud is done with a pool.
    fn let_go(&mut self, key: &ObjectKey, uid: &str) -> Result<Written, BackendError> {
        let freed = MetadataPatch { finalizers: Some(Vec::new()), ..MetadataPatch::default() };
        let left = self.cluster.with_store(|store| store.patch_metadata(key, uid, None, &freed))?;
        Ok(left.map_or(Written::Gone, |seen| Written::Now(Box::new(seen))))
    }
}

/// The key of a pool.
pub fn pool(name: &str) -> ObjectKey {
    ObjectKey::cluster(Kind::AgentPool, name)
}

fn named(key: &ObjectKey) -> String {
    format!("{} {}", key.kind, key.name)
}
